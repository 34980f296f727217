'use strict'

/** Loads the native addon: one that was built here, or the one in this platform's package. */

const { glibcVersion, platforms, thisPlatform } = require('./platforms.js')

/**
 * Written out, so that tools which trace files for a deployment, such as Next.js, find them.
 *
 * Not in separate `try` blocks: a bundler would then leave out files that it can't resolve, and fail at the
 * installed one, or make a bundle for its own platform only. The package must not be bundled
 * (`serverExternalPackages`).
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
  // Loaded on demand: a deployment that has the binary need not contain the rest of the package.
  const { whyNotInstalled } = require('./not-installed.js')
  return `finds no binary for ${name}: ${whyNotInstalled(name)}`
}

/** The loader's message, with advice for the usual causes. */
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
