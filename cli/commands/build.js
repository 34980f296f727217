'use strict'

const HELP = `
It takes Rust (https://rustup.rs), a C compiler and some minutes. npm ci and an update of the package delete what was
built: an app that needs it has "postinstall": "media-credits build --if-missing" among its scripts.

Examples:
  $ npx media-credits build
  $ npx media-credits build --if-missing`

module.exports = (program) =>
  program
    .command('build')
    .summary('build the addon with Rust')
    .description('Builds the native addon with Rust, where npm has no binary for the platform.')
    .option('--if-missing', 'only if there is no binary that loads')
    .addHelpText('after', HELP)
    .action(({ ifMissing }) => {
      if (ifMissing) {
        const reason = whyNotLoaded()
        if (!reason) return console.log('There is a binary that loads.')
        // The cause may have a remedy without Rust.
        console.error(reason)
      }
      const { build } = require('../../scripts/build.js')
      const addon = build()
      require(addon)
      console.log(`${addon} is built and loads.`)
    })

/** Why the binary is missing or can't be loaded. */
function whyNotLoaded() {
  try {
    require('../../lib/native/binding.js')
    return undefined
  } catch (error) {
    return error.message
  }
}
