'use strict'

/** Loads the native addon: the one that was built here, or that of this platform's package. */

const { glibcVersion, platforms, thisPlatform } = require('./platforms.js')

/**
 * Written out, so that whatever traces files for a deployment, as Next.js does, finds them.
 *
 * Not in `try` blocks of their own, which a bundler takes for leave to go on without what it can't resolve: it
 * would fail all the same, at the binary that is installed, or make a bundle for the machine that it ran on alone.
 * The package is not to be bundled (`serverExternalPackages`).
 */
const binaries = {
  'linux-x64-gnu': [
    () => require('../../media-credits.linux-x64-gnu.node'),
    () => require('@media-credits/linux-x64-gnu'),
  ],
  'linux-x64-musl': [
    () => require('../../media-credits.linux-x64-musl.node'),
    () => require('@media-credits/linux-x64-musl'),
  ],
  'linux-arm64-gnu': [
    () => require('../../media-credits.linux-arm64-gnu.node'),
    () => require('@media-credits/linux-arm64-gnu'),
  ],
  'linux-arm64-musl': [
    () => require('../../media-credits.linux-arm64-musl.node'),
    () => require('@media-credits/linux-arm64-musl'),
  ],
  'darwin-x64': [
    () => require('../../media-credits.darwin-x64.node'),
    () => require('@media-credits/darwin-x64'),
  ],
  'darwin-arm64': [
    () => require('../../media-credits.darwin-arm64.node'),
    () => require('@media-credits/darwin-arm64'),
  ],
  'win32-x64-msvc': [
    () => require('../../media-credits.win32-x64-msvc.node'),
    () => require('@media-credits/win32-x64-msvc'),
  ],
}

function load(name) {
  let broken
  for (const binary of binaries[name] ?? [() => require(`../../media-credits.${name}.node`)]) {
    try {
      return binary()
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') broken ??= error
    }
  }
  const reason = broken ? notLoaded(name, broken) : notFound(name)
  const cure =
    'to build one here, install Rust (https://rustup.rs) and a C compiler and run `npx media-credits build`'
  throw new Error(`media-credits ${reason}; ${cure}`, { cause: broken })
}

function notFound(name) {
  if (!(name in platforms)) return `has no binary for ${name}, only for ${Object.keys(platforms).join(', ')}`
  // Where the binary is, nothing else of the package has to be.
  const { whyNotInstalled } = require('./not-installed.js')
  return `finds no binary for ${name}: ${whyNotInstalled(name)}`
}

/** What the system's loader says, in the words of package managers if it is one of the usual things. */
function notLoaded(name, { message }) {
  const [said] = message.split(/\r?\n/)
  const [, newer] = said.match(/version `GLIBC_([\d.]+)' not found/) ?? []
  if (newer) {
    return `has a binary for ${name} that needs glibc ${newer}, and this system has ${glibcVersion()}`
  }
  if (/libc\.(musl|so:)/.test(said))
    return `has a binary for ${name} that needs musl, and this system has glibc`
  if (/ld-linux/.test(said)) return `has a binary for ${name} that needs glibc, and this system has musl`
  return `has a binary for ${name} that does not load: ${said}`
}

module.exports = load(thisPlatform())
