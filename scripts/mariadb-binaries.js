'use strict'

/**
 * Finds a MariaDB that this machine can run, or downloads Debian's or Ubuntu's: `apt-get download` needs no root,
 * and the unpacked files run from a folder of the cache.
 */

const { execFile, execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')

const run = promisify(execFile)

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

/**
 * Resolves to the server: its `program`, its base folder (`base`), the folder of its SQL files (`share`), its
 * `environment`, its `version`, and Galera's library (`galera`), if it exists. Throws if there is none.
 */
async function install() {
  const found = installed() ?? unpacked(UNPACKED)
  if (found) return found
  try {
    await fetchInto(UNPACKED)
  } catch (error) {
    throw new Error(`${MISSING}\n(${error.message.trim().split('\n').at(-1)})`)
  }
  const fetched = unpacked(UNPACKED)
  if (!fetched) throw new Error(`${MISSING}\n(what was downloaded does not run)`)
  return fetched
}

/** The same, with Galera's library. */
async function installGalera() {
  const found = await install()
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
  return share && version ? { program, base, share, environment, version, galera } : undefined
}

const SYSTEM_TABLES = 'mysql_system_tables.sql'

/** The folder of its packages' libraries: `usr/lib/x86_64-linux-gnu` and the like. */
function librariesIn(root) {
  const folders = ['lib', 'usr/lib']
    .map((name) => path.join(root, name))
    .filter((name) => fs.existsSync(name))
  return folders.flatMap((folder) => {
    const inner = fs.readdirSync(folder).filter((name) => name.endsWith('-gnu'))
    return [folder, ...inner.map((name) => path.join(folder, name))]
  })
}

async function fetchInto(folder) {
  fs.mkdirSync(CACHE, { recursive: true })
  const made = fs.mkdtempSync(path.join(CACHE, 'mariadb-'))
  try {
    const names = [...new Set([...PACKAGES, ...missingLibraries()])]
    await run('apt-get', ['download', '-qq', ...names], { cwd: made })
    const root = path.join(made, 'root')
    for (const file of fs.readdirSync(made)) await run('dpkg', ['-x', path.join(made, file), root])
    // All or nothing, even if another run does the same at this time.
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(root, folder)
  } catch (error) {
    if (!unpacked(folder)) throw error
  } finally {
    fs.rmSync(made, { recursive: true, force: true })
  }
}

/** The libraries that an installation of the server would add. */
function missingLibraries() {
  const args = ['install', '--print-uris', '-qq', '--yes', '--no-install-recommends', DEPENDENT]
  const said = execFileSync('apt-get', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const files = [...said.matchAll(/^'[^']*' (\S+)/gm)].map(([, file]) => file)
  return files.map((file) => file.split('_')[0]).filter((name) => /^lib(?!.*-perl$)/.test(name))
}

if (require.main === module) {
  const wanted = process.argv.includes('--galera') ? installGalera : install
  wanted().then(
    ({ program, version }) => console.log(`${program} ${version}`),
    (error) => {
      console.error(error.message)
      process.exitCode = 1
    },
  )
}

module.exports = { CACHE, install, installGalera }
