'use strict'

/**
 * Builds the addon and copies it to where `lib/native/binding.js` looks for it.
 *
 * node scripts/build.js [platform]   for this machine, or as it is released for a platform of `lib/native/platforms.js`
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { platforms, thisPlatform } = require('../lib/native/platforms')

const ROOT = path.join(__dirname, '..')

/** Binaries for Linux run on every system since this version: CentOS 7, Ubuntu 14.04, Debian 8. */
const OLDEST_GLIBC = '2.17'

/**
 * `elsewhere` is for a machine that can't build a platform directly (`scripts/platforms/`): another Rust target,
 * more options for cargo, another environment, and the folder for the addon.
 */
function build(platform, elsewhere = {}) {
  const name = platform ?? thisPlatform()
  const { rust = platforms[name]?.rust, options = [], env = process.env, folder = ROOT } = elsewhere
  const command = [...toolFor(platform, rust), ...options, '--release', '--lib', '--locked']
  const addon = addonFor(name, folder)
  place(runCargo(command, environment(rust, env)), addon)
  if (isInstalled()) fs.rmSync(path.join(ROOT, 'target'), { recursive: true, force: true })
  return addon
}

/** The addon's file, which `lib/native/binding.js` loads. */
function addonFor(name = thisPlatform(), folder = ROOT) {
  return path.join(folder, `media-credits.${name}.node`)
}

/**
 * Copies the library that cargo has listed. It is renamed over the old one, which a running process may have
 * mapped.
 */
function place(listed, addon) {
  fs.copyFileSync(library(listed), `${addon}.new`)
  fs.renameSync(`${addon}.new`, addon)
}

/** The artifacts that cargo lists, as a JSON object per line. */
function runCargo(command, env) {
  const cargo = spawnSync('cargo', [...command, '--message-format=json-render-diagnostics'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (cargo.error?.code === 'ENOENT') {
    throw new Error(
      'media-credits is built with Rust, and there is no cargo on the PATH: https://rustup.rs installs it. ' +
        'A C compiler is needed too.',
    )
  }
  if (cargo.status !== 0) throw new Error('cargo could not build media-credits; it says above why')
  return cargo.stdout
}

/** For Linux, Zig links the binaries, because it knows the symbols of every version of glibc, and musl. */
function toolFor(platform, rust) {
  if (platform === undefined) return ['build']
  if (!(platform in platforms)) {
    throw new Error(`${platform} is none of ${Object.keys(platforms).join(', ')}`)
  }
  if (/-(msvc|darwin)$/.test(rust)) return ['build', '--target', rust]
  return ['zigbuild', '--target', platforms[platform].libc === 'glibc' ? `${rust}.${OLDEST_GLIBC}` : rust]
}

/**
 * For musl, Rust links statically by default and then can't make a library for Node. For Windows it is the
 * reverse: without Microsoft's runtime inside, the library needs VCRUNTIME140.dll, which not every Windows has.
 */
function environment(rust, env) {
  const linking = rust?.endsWith('-musl')
    ? '-crt-static'
    : rust?.endsWith('-msvc')
      ? '+crt-static'
      : undefined
  if (!linking) return env
  const { RUSTFLAGS = '' } = env
  return { ...env, RUSTFLAGS: `${RUSTFLAGS} -C target-feature=${linking}`.trim() }
}

/** Whether this is an app's node_modules, where cargo's build files, some 300 MB, are useless. */
function isInstalled() {
  return path.basename(path.dirname(ROOT)) === 'node_modules'
}

/** The library among the artifacts that cargo lists, as a JSON object per line. */
function library(messages) {
  const files = messages
    .split('\n')
    .filter((line) => line.includes('"compiler-artifact"'))
    .map((line) => JSON.parse(line))
    .filter(({ target }) => target.name === 'media_credits')
    .flatMap(({ filenames }) => filenames)
  return files.find((file) => /\.(so|dylib|dll)$/.test(file))
}

if (require.main === module) {
  try {
    build(process.argv[2])
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}

module.exports = { addonFor, build, place, runCargo }
