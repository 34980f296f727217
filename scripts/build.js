'use strict'

/** Builds the addon for this machine and puts it where `binding.js` looks for it. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')

function main() {
  const cargo = spawnSync(
    'cargo',
    ['build', '--release', '--locked', '--lib', '--message-format=json-render-diagnostics'],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (cargo.error?.code === 'ENOENT') {
    throw new Error(
      'media-credits is built with Rust, and there is no cargo on the PATH: https://rustup.rs installs it. ' +
        'A C compiler is needed too.',
    )
  }
  if (cargo.status !== 0) throw new Error('cargo could not build media-credits; it says above why')
  const addon = path.join(ROOT, `media-credits.${target()}.node`)
  // Beside and then over the old one: a running process may have that one mapped.
  fs.copyFileSync(library(cargo.stdout), `${addon}.new`)
  fs.renameSync(`${addon}.new`, addon)
}

/** The library among the artifacts that cargo lists, a JSON object a line. */
function library(messages) {
  const files = messages
    .split('\n')
    .filter((line) => line.includes('"compiler-artifact"'))
    .map((line) => JSON.parse(line))
    .filter(({ target }) => target.name === 'media_credits')
    .flatMap(({ filenames }) => filenames)
  return files.find((file) => /\.(so|dylib|dll)$/.test(file))
}

function target() {
  const { arch, platform } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  const { glibcVersionRuntime } = process.report.getReport().header
  return `linux-${arch}-${glibcVersionRuntime ? 'gnu' : 'musl'}`
}

try {
  main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
