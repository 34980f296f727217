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
 * Whether Node runs on musl, the C library of Alpine: by the libraries that this process has mapped, because another
 * C library than Node's may be installed beside it. The loader of musl is musl itself, and may be a link to `libc.so`.
 */
function usesMusl() {
  const mapped = mappedFiles()
  if (/\/libc(\.so\.6|-2\.\d+\.so)( \(deleted\))?$/m.test(mapped)) return false
  if (/\/(ld-musl-.+|libc\.musl-.+|libc\.so)( \(deleted\))?$/m.test(mapped)) return true
  return !glibcVersion()
}

/** As Linux lists them; nothing where there is no /proc, as in some sandboxes. */
function mappedFiles() {
  try {
    return fs.readFileSync('/proc/self/maps', 'latin1')
  } catch {
    return ''
  }
}

/** The version of glibc that Node runs on, if it does. It takes some milliseconds, and waits for worker threads. */
function glibcVersion() {
  const { report } = process
  const { excludeNetwork } = report
  // Or it looks up the names of all addresses that the process talks to.
  report.excludeNetwork = true
  try {
    return report.getReport().header.glibcVersionRuntime
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

module.exports = { glibcVersion, platforms, thisPlatform }
