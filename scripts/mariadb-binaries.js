'use strict'

/**
 * Finds a MariaDB that this machine can run, or downloads Debian's or Ubuntu's: `apt-get download` needs no root,
 * and the unpacked files run from a folder of the cache.
 *
 * node scripts/mariadb-binaries.js [--galera | --mysql]
 *
 * prints the program and its version, with `--galera` only if there is Galera's library, with `--mysql` of a MySQL.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { librariesIn, missingLibraries, unpackInto } = require('./debian-packages')
const { installMysql } = require('./mysql-binaries')

const CACHE = path.join(__dirname, '../node_modules/.cache/media-credits')
const UNPACKED = path.join(CACHE, `mariadb-${process.arch}`)

/** The server, its plugins for logins, and the library of a Galera cluster. */
const PACKAGES = ['mariadb-server-core', 'mariadb-server', 'galera-4']
/** The package with the needed dependencies; the others would bring more servers and scripts. */
const DEPENDENT = 'mariadb-server-core'

const MISSING = `There is no MariaDB that runs here. One of these gives the tests a server:
  apt-get update                       after which Debian's packages can be downloaded; nothing is installed
  apt-get install mariadb-server-core  or any other server from version 10.11 on whose mariadbd is on the PATH
  TEST_MYSQL_URL=mysql://…             a running server, with a user who may create databases`

/** The kind of server for the tests: `mariadb`, or `mysql` if TEST_MYSQL_SERVER says so. */
function chosenKind() {
  const kind = process.env.TEST_MYSQL_SERVER ?? 'mariadb'
  if (!['mariadb', 'mysql'].includes(kind))
    throw new Error(`TEST_MYSQL_SERVER is mariadb or mysql, not ${kind}`)
  return kind
}

/**
 * Resolves to a server: its `kind`, its `program` with the arguments `before` all others, its base folder (`base`), the
 * folder of its SQL files (`share`), its `environment`, its `version`, and Galera's library (`galera`), if it exists.
 * Throws if there is none.
 */
async function install(kind = chosenKind()) {
  if (kind === 'mysql') return installMysql(path.join(CACHE, `mysql-${process.arch}`))
  const found = installed() ?? unpacked(UNPACKED)
  if (found) return found
  try {
    const names = [...new Set([...PACKAGES, ...missingLibraries(DEPENDENT)])]
    await unpackInto(UNPACKED, { names, isUsable: () => unpacked(UNPACKED) })
  } catch (error) {
    throw new Error(`${MISSING}\n(${error.message.trim().split('\n').at(-1)})`)
  }
  const fetched = unpacked(UNPACKED)
  if (!fetched) throw new Error(`${MISSING}\n(what was downloaded does not run)`)
  return fetched
}

/** The same, with Galera's library. */
async function installGalera() {
  const found = await install('mariadb')
  if (!found.galera) throw new Error('there is no Galera: apt-get install galera-4 brings it')
  return found
}

function installed() {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/libexec']
  const program = folders.map((folder) => path.join(folder, 'mariadbd')).find((file) => fs.existsSync(file))
  return program && serverOf(fs.realpathSync(program))
}

function unpacked(folder) {
  const program = path.join(folder, 'usr/sbin/mariadbd')
  return fs.existsSync(program) ? serverOf(program, folder) : undefined
}

/** The server of a program, if it runs. Its libraries may be in their own folder. */
function serverOf(program, root) {
  const environment = root ? { LD_LIBRARY_PATH: librariesIn(root).join(path.delimiter) } : {}
  const env = { ...process.env, ...environment }
  const { status, stdout } = spawnSync(program, ['--no-defaults', '--version'], { encoding: 'utf8', env })
  if (status !== 0) return undefined
  const base = path.join(program, '../..')
  const share = ['share/mysql', 'share/mariadb', 'share']
    .map((name) => path.join(base, name))
    .find((folder) => fs.existsSync(path.join(folder, SYSTEM_TABLES)))
  const galera = ['lib/galera/libgalera_smm.so', 'lib64/galera/libgalera_smm.so']
    .map((name) => path.join(base, name))
    .find((file) => fs.existsSync(file))
  const version = stdout.match(/Ver (\S+)/)?.[1]
  const server = { kind: 'mariadb', program, before: [], base, share, environment, version, galera }
  return share && version ? server : undefined
}

const SYSTEM_TABLES = 'mysql_system_tables.sql'

if (require.main === module) {
  const wanted = { '--galera': installGalera, '--mysql': () => install('mysql') }[process.argv[2]]
  ;(wanted ?? install)().then(
    ({ program, before, version }) => console.log(`${before.at(-1) ?? program} ${version}`),
    (error) => {
      console.error(error.message)
      process.exitCode = 1
    },
  )
}

module.exports = { CACHE, chosenKind, install, installGalera }
