'use strict'

/** The platforms with binaries, and the current one. */

const fs = require('node:fs')

/**
 * By their names in `@media-credits/<name>`. The columns after `rust` are npm's, which installs only the
 * matching package.
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

/** The name of this platform, even if there is no binary for it. */
function thisPlatform() {
  const { arch, platform } = process
  if (platform === 'linux') return `linux-${arch}-${usesMusl() ? 'musl' : 'gnu'}`
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
}

/**
 * Whether Node runs on musl, the C library of Alpine. It checks the libraries mapped by this process, because
 * another C library may be installed beside Node's. musl's loader is musl itself, and may be a link to
 * `libc.so`.
 */
function usesMusl() {
  const mapped = mappedFiles()
  if (/\/libc(\.so\.6|-2\.\d+\.so)( \(deleted\))?$/m.test(mapped)) return false
  if (/\/(ld-musl-.+|libc\.musl-.+|libc\.so)( \(deleted\))?$/m.test(mapped)) return true
  return !glibcVersion()
}

/** The mapped files, as Linux lists them; empty without /proc, as in some sandboxes. */
function mappedFiles() {
  try {
    return fs.readFileSync('/proc/self/maps', 'latin1')
  } catch {
    return ''
  }
}

/**
 * The version of glibc that Node runs on, if it does. This takes some milliseconds, and waits for worker
 * threads.
 */
function glibcVersion() {
  const { report } = process
  const { excludeNetwork } = report
  // Otherwise it looks up the host names of all network connections.
  report.excludeNetwork = true
  try {
    return report.getReport().header.glibcVersionRuntime
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

module.exports = { glibcVersion, platforms, thisPlatform }
