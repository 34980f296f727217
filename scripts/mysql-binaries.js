'use strict'

/**
 * Downloads the MySQL of Debian's unstable release, the only one that Debian has, with its libraries. It runs on other
 * releases and systems too, by its own loader.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { librariesIn, missingLibraries, unpackInto } = require('./debian-packages')

const RELEASE = 'sid'
const PACKAGE = 'mysql-server-core'
const LOADER = 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'

/** Resolves to the server in this folder of the cache, as `install` of `mariadb-binaries.js`. Throws if there is none. */
async function installMysql(folder) {
  const found = unpacked(folder)
  if (found) return found
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`there is no MySQL for ${process.platform} ${process.arch}: TEST_MYSQL_URL may name one`)
  }
  try {
    const options = require('./platforms/cache').aptOf(RELEASE)
    const names = [PACKAGE, ...missingLibraries(PACKAGE, options)]
    await unpackInto(folder, { names, options, isUsable: () => unpacked(folder) })
  } catch (error) {
    throw new Error(`Debian's MySQL can't be downloaded: ${error.message.trim().split('\n').at(-1)}`)
  }
  const fetched = unpacked(folder)
  if (!fetched) throw new Error("Debian's MySQL does not run here: TEST_MYSQL_URL may name another one")
  return fetched
}

function unpacked(root) {
  const [program, mysqld] = [LOADER, 'usr/sbin/mysqld'].map((name) => path.join(root, name))
  if (!fs.existsSync(mysqld)) return undefined
  const before = ['--library-path', librariesIn(root).join(':'), mysqld]
  const { status, stdout } = spawnSync(program, [...before, '--no-defaults', '--version'], {
    encoding: 'utf8',
  })
  const version = status === 0 ? stdout.match(/Ver (\S+)/)?.[1] : undefined
  const base = path.join(root, 'usr')
  const share = path.join(base, 'share/mysql')
  return version && { kind: 'mysql', program, before, base, share, environment: {}, version }
}

module.exports = { installMysql }
