'use strict'

/** A copy of this repository as on another platform: with only that platform's binary, and its npm packages. */

const fs = require('node:fs')
const path = require('node:path')
const { build } = require('../build')
const { platforms } = require('../../lib/native/platforms')
const { CACHE, ROOT, run } = require('./cache')
const { toolchain } = require('./toolchain')

const LOCK = 'package-lock.json'

/** The folder, and what its binary is built with. */
function packageFor(platform, rust = platforms[platform].rust) {
  const folder = path.join(CACHE, platform)
  copySources(folder)
  installPackages(folder, platforms[platform])
  const { says, ...elsewhere } = toolchain(rust)
  build(platform, { ...elsewhere, rust, folder })
  return { folder, says }
}

function copySources(folder) {
  fs.mkdirSync(folder, { recursive: true })
  for (const name of fs.readdirSync(folder).filter((name) => name !== 'node_modules')) {
    fs.rmSync(path.join(folder, name), { recursive: true })
  }
  const listed = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of listed.split('\0').filter((file) => file && fs.existsSync(path.join(ROOT, file)))) {
    fs.cpSync(path.join(ROOT, file), path.join(folder, file))
  }
}

/** Jest and the libSQL client have binaries too; npm installs those for the given platform. */
function installPackages(folder, { os, cpu, libc }) {
  const installed = path.join(folder, 'node_modules', LOCK)
  const lock = fs.readFileSync(path.join(folder, LOCK), 'utf8')
  if (fs.existsSync(installed) && fs.readFileSync(installed, 'utf8') === lock) return
  const platform = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])]
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--prefer-offline', ...platform], { cwd: folder })
  fs.writeFileSync(installed, lock)
}

module.exports = { packageFor }
