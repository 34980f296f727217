'use strict'

/** Packages of Debian or Ubuntu for tests: downloaded without root, and unpacked into a folder instead of installed. */

const { execFile, execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')

const run = promisify(execFile)

/** Unpacks packages into a folder that is usable if `isUsable()` says so; `options` are more of apt's. */
async function unpackInto(folder, { names, options = [], isUsable }) {
  const parent = path.dirname(folder)
  fs.mkdirSync(parent, { recursive: true })
  const made = fs.mkdtempSync(`${folder}-`)
  try {
    await run('apt-get', [...options, 'download', '-qq', ...names], { cwd: made })
    const root = path.join(made, 'root')
    for (const file of fs.readdirSync(made)) await run('dpkg', ['-x', path.join(made, file), root])
    // All or nothing, even if another run does the same at this time.
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(root, folder)
  } catch (error) {
    if (!isUsable()) throw error
  } finally {
    fs.rmSync(made, { recursive: true, force: true })
  }
}

/** The libraries that an installation of this package would add. */
function missingLibraries(dependent, options = []) {
  const args = ['install', '--print-uris', '-qq', '--yes', '--no-install-recommends', dependent]
  const said = execFileSync('apt-get', [...options, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const files = [...said.matchAll(/^'[^']*' (\S+)/gm)].map(([, file]) => file)
  return files.map((file) => file.split('_')[0]).filter((name) => /^(lib(?!.*-perl$)|zlib)/.test(name))
}

/** The folders of unpacked libraries: `usr/lib/x86_64-linux-gnu` and the like. */
function librariesIn(root) {
  const folders = ['lib', 'usr/lib']
    .map((name) => path.join(root, name))
    .filter((name) => fs.existsSync(name))
  return folders.flatMap((folder) => {
    const inner = fs.readdirSync(folder).filter((name) => name.endsWith('-gnu'))
    return [folder, ...inner.map((name) => path.join(folder, name))]
  })
}

module.exports = { librariesIn, missingLibraries, unpackInto }
