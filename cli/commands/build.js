'use strict'

const HELP = `
It takes Rust (https://rustup.rs), a C compiler and some minutes.

Example:
  $ npx media-credits build`

module.exports = (program) =>
  program
    .command('build')
    .summary('build the addon with Rust')
    .description('Builds the native addon with Rust, where npm has no binary for the platform.')
    .addHelpText('after', HELP)
    .action(() => {
      const { build } = require('../../scripts/build.js')
      const addon = build()
      require(addon)
      console.log(`${addon} is built and loads.`)
    })
