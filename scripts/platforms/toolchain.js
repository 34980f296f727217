'use strict'

/** Rust and Zig for a target that this machine is not. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { debian, fromPypi, once, run } = require('./cache')

/** As in release.yml. */
const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.0']

/** A compiler with the source of its standard library, and cargo's libraries that not every system has. */
const RUST_OF_DEBIAN = [
  'rustc-web',
  'cargo-web',
  'rust-web-src',
  'libstd-rust-web-dev',
  'libstd-rust-web-1.96',
  'libllvm22',
  'libgit2-1.5',
  'libhttp-parser2.9',
  'libmbedcrypto7',
  'libmbedtls14',
  'libmbedx509-1',
  'libssh2-1',
]

/** What `scripts/build.js` needs to build for `rust`, and its description. */
function toolchain(rust) {
  const env = { ...process.env, LIBNODE_PATH: emptyLibnode() }
  const fromSource = !hasStandardLibrary(rust)
  if (fromSource) useRustOfDebian(env)
  env.PATH = `${fromPypi(...ZIG)}:${env.PATH}`
  const options = fromSource ? ['-Zbuild-std=std,panic_abort,panic_unwind'] : []
  const [, version] = run('rustc', ['--version'], { env }).split(' ')
  const says = `rustc ${version}${fromSource ? ' with its standard library' : ''}, Zig ${ZIG[0].split('==')[1]}`
  return { env, options, says }
}

/** Whether `rustup target add` was run. Not run here, because the toolchain belongs to the developer. */
function hasStandardLibrary(rust) {
  const { status, stdout } = spawnSync('rustc', ['--print', 'target-libdir', '--target', rust], {
    encoding: 'utf8',
  })
  return status === 0 && fs.existsSync(stdout.trim())
}

function useRustOfDebian(env) {
  const folder = debian('rust', 'bookworm', RUST_OF_DEBIAN)
  env.PATH = `${path.join(folder, 'usr/bin')}:${env.PATH}`
  env.LD_LIBRARY_PATH = path.join(folder, 'usr/lib/x86_64-linux-gnu')
  // Allows a stable compiler to build its standard library.
  env.RUSTC_BOOTSTRAP = '1'
}

/**
 * For Windows, napi links to a libnode.dll, although the addon finds Node's functions in the process that loads
 * it.
 */
function emptyLibnode() {
  return once('libnode', (folder) => {
    fs.writeFileSync(path.join(folder, 'libnode.dll'), '')
    fs.writeFileSync(path.join(folder, 'libnode.a'), '!<arch>\n')
  })
}

module.exports = { toolchain }
