'use strict'

/**
 * Tests the example app as built by its Dockerfile, on Alpine and on Debian: `npm run test:docker`. It needs Linux x64 and
 * root, but no Docker: `docker/stages.js` builds the stages in folders, on base folders from `docker/bases.js`.
 *
 * The lock file is created here, and `npm ci` reads it in a stage. Then a user submits and is refunded, on an SQLite file in a
 * volume and on PostgreSQL, served by a user without rights on the rest.
 *
 * node scripts/test-docker.js [--only alpine]
 */

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const { bases } = require('./docker/bases')
const { withRegistry } = require('./docker/registry')
const stages = require('./docker/stages')
const { copyTo } = require('./example')
const { packageFor } = require('./platforms/package')
const { ended, freePort, serving } = require('./serving')
const { startUnlessGiven, withDatabase } = require('./test-postgres')
const { answersSubmits } = require('./visits')

const ROOT = path.join(__dirname, '..')

async function main() {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  const names = values.only ? [values.only] : Object.keys(bases)
  if (!names.every((name) => name in bases)) throw new Error(`--only is one of ${Object.keys(bases)}`)
  assertCanRun()
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-docker-'))
  try {
    await withRegistry(packages(place), async (url) => {
      for (const name of names) await tried(name, path.join(place, name), url)
    })
  } finally {
    fs.rmSync(place, { recursive: true, force: true })
  }
}

function assertCanRun() {
  const { arch, platform } = process
  if (`${platform}-${arch}` !== 'linux-x64' || process.getuid() !== 0) {
    throw new Error('npm run test:docker needs Linux x64 and root, for chroot')
  }
  if (spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status !== 0) {
    throw new Error('npm run test:docker needs unshare, and leave to make namespaces with it')
  }
}

/** What is published, as tarballs: the package, and the binaries for both C libraries. */
function packages(place) {
  const [binaries, made] = ['binaries', 'npm'].map((name) => path.join(place, name))
  fs.mkdirSync(binaries)
  for (const [name, folder] of [
    ['linux-x64-gnu', ROOT],
    ['linux-x64-musl', packageFor('linux-x64-musl').folder],
  ]) {
    const file = `media-credits.${name}.node`
    fs.copyFileSync(path.join(folder, file), path.join(binaries, file))
  }
  const script = path.join(__dirname, 'platform-packages.js')
  execFileSync(process.execPath, [script, binaries, '--some', '--into', made], { stdio: 'inherit' })
  const folders = fs.readdirSync(made).map((name) => path.join(made, name))
  execFileSync('npm', ['pack', '--silent', '--pack-destination', place, ...folders], { stdio: 'inherit' })
  const tarballs = fs.readdirSync(place).filter((name) => name.endsWith('.tgz'))
  return tarballs.map((name) => path.join(place, name))
}

/** Builds the stages from this base, in `place`, and serves from the last one. */
async function tried(name, place, registry) {
  const context = path.join(place, 'context')
  copyTo(context)
  npm(context, ['install', '--package-lock-only', '--registry', registry, 'media-credits'])
  const { builder, runner } = stages.build(path.join(context, 'Dockerfile'), {
    base: bases[name](),
    context,
    into: path.join(place, 'stages'),
    env: { npm_config_registry: registry },
  })
  console.log(`ok ${name}: the stages are built`)
  const volume = { source: path.join(place, 'volume'), target: '/data' }
  const file = path.join(volume.source, 'local.db')
  await serves(builder, runner, volume, { inside: builder.env.DATABASE_URL, outside: `file:${file}` })
  console.log(`ok ${name}: a submit and a refund, on SQLite`)
  await onPostgres((url) => serves(builder, runner, volume, { inside: url, outside: url }))
  console.log(`ok ${name}: a submit and a refund, on PostgreSQL`)
}

/**
 * `inside` is the database's URL for the app, `outside` for this process, which checks that the app uses that
 * database.
 */
async function serves(builder, runner, volume, { inside, outside }) {
  const tables = ['npm', 'run', '--silent', 'db:init']
  const env = { DATABASE_URL: inside }
  const making = stages.run(builder, { command: tables, user: 'node', env, volume, stdio: 'inherit' })
  const code = await ended(making)
  if (code !== 0) throw new Error(`npm run db:init ended with ${code}`)
  const port = await freePort()
  const own = { ...env, PORT: port, PROVIDER_STEP_MS: '20' }
  const server = stages.run(runner, { env: own, volume, stdio: 'inherit' })
  await serving(server, port, (url) => answersSubmits(url, server, { env: { DATABASE_URL: outside } }))
}

function npm(folder, args) {
  execFileSync('npm', [...args, '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
}

async function onPostgres(work) {
  const server = await startUnlessGiven()
  try {
    await withDatabase(server.url, work)
  } finally {
    await server.stop()
  }
}

main().catch((error) => {
  console.error(error.stack)
  process.exitCode = 1
})
