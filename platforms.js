'use strict'

/** The platforms that there are binaries for, and which one this is. */

const fs = require('node:fs')

/**
 * By their names in `@media-credits/<name>`. The three columns after `rust` are npm's, which installs only
 * the package that fits.
 */
const platforms = {
  'linux-x64-gnu': { rust: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-x64-musl': { rust: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'linux-arm64-gnu': { rust: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-arm64-musl': { rust: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  'darwin-x64': { rust: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64' },
  'darwin-arm64': { rust: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64' },
  'win32-x64-msvc': { rust: 'x86_64-pc-windows-msvc', os: 'win32', cpu: 'x64' },
}

/** The name of this platform, whether there is a binary for it or not. */
function thisPlatform() {
  const { arch, platform } = process
  if (platform === 'linux') return `linux-${arch}-${usesMusl() ? 'musl' : 'gnu'}`
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
}

/**
 * Whether Node runs on musl, the C library of Alpine. `process.report` says so too, but it looks up the
 * names of all addresses that the process talks to.
 */
function usesMusl() {
  try {
    return /ld-musl-|libc\.musl-/.test(fs.readFileSync('/proc/self/maps', 'latin1'))
  } catch {
    return false
  }
}

module.exports = { platforms, thisPlatform }
