'use strict'

/**
 * Tests this package in a Next.js app as its users install it: `npm run test:next`, or with `-- --quick` for less.
 *
 * A copy of examples/next-app gets what npm would publish: the package, and the binary in a package of its own.
 * Then each way to build and run it (Turbopack and webpack, `next start` on SQLite, PostgreSQL, libSQL and MySQL, `next dev` with
 * a hot reload in between, the standalone folder without node_modules) handles a submit over HTTP, and a browser
 * uses the page. An Edge route and a client component that import the package must show an error with advice.
 *
 * The same build, as a stock app (`APP_GENERATION`), generates on copies of a stock database, which has no media tasks.
 */

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const { createClient } = require('@libsql/client')
const mysql = require('mysql2/promise')
const { EXAMPLE, build, copyTo, environment, install, makeTables, next } = require('./example')
const { CLIENT_COMPONENT, EDGE_ROUTE, SENTENCE } = require('./next-mistakes')
const { ended, freePort, serving, until } = require('./serving')
const mariadb = require('./mariadb')
const sqld = require('./sqld')
const { startUnlessGiven, withDatabase } = require('./test-postgres')
const { User, answersSubmits, generation, hasBalance } = require('./visits')

/** The submit route and the model, which the hot reload changes. */
const ROUTE = 'src/app/api/media/submit/route.ts'
const MODEL = 'src/shared/models/media_task.ts'

const FIXTURES = path.join(__dirname, '../__test__/fixtures')
/** The credits of the last of a new user's three grants. */
const LAST_GRANT = 10
/** A user of the stock database, and her balance. */
const ADA = { id: '47504cd8-2312-47d8-a144-47431300708e', email: 'ada@example.test', balance: 14 }

let passed = 0
let skipped = 0

async function main() {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
  const start = Date.now()
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-next-'))
  try {
    const app = new App(path.join(place, 'app'), `file:${path.join(place, 'local.db')}`)
    await check('the published packages install, and the tables are made', () => app.install())
    // A build with a standalone folder has all else, too.
    await check('next build (Turbopack), standalone', () => app.build('turbopack', 'standalone'))
    await check('server.js without node_modules', () => app.startedAlone(answersSubmits))
    if (!values.quick) await check('next build (Turbopack)', () => app.build())
    await check('next start', () => app.started('start', answersSubmits))
    await check('a sign-up whose last grant fails leaves no user', () =>
      app.started('start', signsUpAsAWhole),
    )
    const stock = app.asStock(`file:${copyOfStock(place)}`)
    await check('next start as a stock app', () => stock.started('start', answersGenerations))
    await onPostgres(app)
    await onLibsql(app)
    await onMysql(app)
    await check('the page, in a browser', () => app.browse(values.quick ? 'credits.spec' : ''))
    await check('next dev, with a hot reload in between', () => app.started('dev', survivesReload))
    if (!values.quick) {
      await check('the pages of the stock app, in a browser', () => stock.browse('stock'))
      await check('next build (webpack)', () => app.build('webpack'))
      await check('next start', () => app.started('start', answersSubmits))
      await check('next build (webpack), standalone', () => app.build('webpack', 'standalone'))
      await check('server.js without node_modules', () => app.startedAlone(answersSubmits))
      await check('an Edge route says what to do', () => saysSoAtTheBuild(app))
      await check('a client component says what to do', () => saysSoInTheBrowser(app))
    }
  } finally {
    fs.rmSync(place, { recursive: true, force: true, maxRetries: 10 })
  }
  console.log(`${passed} passed, ${skipped} skipped in ${seconds(start)} s`)
}

async function check(name, work) {
  const start = Date.now()
  await work()
  passed += 1
  console.log(`ok ${name} (${seconds(start)} s)`)
}

/** Reports that a check can't be made here, and why: `.ci/run` looks for this line. */
function skip(name, { message }) {
  skipped += 1
  console.log(`skipped ${name}: ${message}`)
}

const seconds = (start) => Math.round((Date.now() - start) / 1000)

/** A copy of the example. */
class App {
  constructor(folder, url, more = {}) {
    this.folder = folder
    this.env = environment(url, { PROVIDER_STEP_MS: '20', NEXT_TELEMETRY_DISABLED: '1', ...more })
  }

  /** The same build as another generation of the app, on another database. */
  asStock(url) {
    return new App(this.folder, url, { APP_GENERATION: 'stock' })
  }

  install() {
    copyTo(this.folder)
    install(this.folder)
    makeTables(this.folder, this.env)
  }

  build(bundler = 'turbopack', output = '') {
    return build(this.folder, [`--${bundler}`], { ...this.env, NEXT_OUTPUT: output })
  }

  /** Adds these files during `work`. */
  async with(files, work) {
    const written = Object.entries(files).map(([name, content]) => [path.join(this.folder, name), content])
    try {
      for (const [file, content] of written) {
        fs.mkdirSync(path.dirname(file), { recursive: true })
        fs.writeFileSync(file, content)
      }
      await work()
    } finally {
      for (const [file] of written) fs.rmSync(file, { force: true })
    }
  }

  /** Runs `next start` or `next dev` during `work`. */
  async started(command, work) {
    const port = await freePort()
    const server = next(this.folder, command, ['--port', port], { env: this.env, stdio: 'ignore' })
    await serving(server, port, (url) => work(url, server, this))
  }

  /** Runs the standalone folder, in a place without other files around it. */
  async startedAlone(work) {
    const alone = `${this.folder}-alone`
    const away = `${this.folder}-node_modules`
    fs.cpSync(path.join(this.folder, '.next/standalone'), alone, { recursive: true, verbatimSymlinks: true })
    fs.renameSync(path.join(this.folder, 'node_modules'), away)
    try {
      const port = await freePort()
      const env = { ...this.env, PORT: port, HOSTNAME: 'localhost' }
      const server = spawn(process.execPath, ['server.js'], { cwd: alone, env, stdio: 'ignore' })
      await serving(server, port, (url) => work(url, server, this))
    } finally {
      fs.renameSync(away, path.join(this.folder, 'node_modules'))
      fs.rmSync(alone, { recursive: true })
    }
  }

  /** Runs the tests in a browser, or those whose file name contains `only`. */
  async browse(only = '') {
    const script = path.join(this.folder, 'node_modules/@playwright/test/cli.js')
    const env = { ...this.env, PORT: await freePort() }
    const options = { cwd: this.folder, env, stdio: 'inherit' }
    const code = await ended(spawn(process.execPath, [script, 'test', only, '--reporter', 'list'], options))
    const shots = path.join(this.folder, 'test-results')
    if (fs.existsSync(shots)) fs.cpSync(shots, path.join(EXAMPLE, 'test-results'), { recursive: true })
    assert.equal(code, 0, 'the browser tests failed')
  }
}

function copyOfStock(place) {
  const file = path.join(place, 'stock.db')
  fs.copyFileSync(path.join(FIXTURES, 'stock.sqlite'), file)
  return file
}

/** The user and the welcome grants are written in one transaction, of the app's own client. */
async function signsUpAsAWhole(url, server, { env }) {
  const client = createClient({ url: env.DATABASE_URL, timeout: 5000 })
  const rows = async () => {
    const { rows } = await client.execute('SELECT (SELECT count(*) FROM user), (SELECT count(*) FROM credit)')
    return Object.values(rows[0])
  }
  try {
    const before = await rows()
    await client.execute(`CREATE TRIGGER last_grant BEFORE INSERT ON credit WHEN NEW.credits = ${LAST_GRANT}
      BEGIN SELECT RAISE(ABORT, 'no last grant'); END`)
    await assert.rejects(User.signUp(url))
    assert.deepEqual(await rows(), before)
    await client.execute('DROP TRIGGER last_grant')
    const users = await Promise.all(Array.from({ length: 10 }, () => User.signUp(url)))
    for (const user of users) assert.equal(await user.balance(), 100)
    assert.deepEqual(await rows(), [before[0] + 10, before[1] + 30])
  } finally {
    client.close()
  }
}

/**
 * The features of a stock app: generations, a user's lists, and those of all users, some of which existed before.
 */
async function answersGenerations(url, server, { env }) {
  const user = await User.signUp(url)
  const done = await user.generate('A tide that comes in')
  assert.equal((await user.generated(done)).status, 'success')
  const failed = await user.generate('A tide that fails')
  assert.equal((await user.generated(failed)).status, 'failed')
  const list = await user.page('/settings/credits?page=2&pageSize=3')
  assert.ok(list.includes('Page 2 of 2') && list.includes('Welcome credits'), list)
  await hasBalance(user, 80, server, env)

  const eager = await User.signUp(url)
  const answers = await Promise.all(Array.from({ length: 10 }, () => eager.post(...generation('A tide'))))
  assert.equal(answers.filter(({ message }) => message === 'ok').length, 5)
  await hasBalance(eager, 0, server, env)

  const ada = new User(url, ADA.id, `demo_user=${ADA.id}`)
  assert.match(await ada.page('/settings/credits'), new RegExp(`"balance">${ADA.balance}<`))
  // The newest are on the first page.
  for (const list of ['/admin/credits?page=2&pageSize=14', '/admin/ai-tasks']) {
    assert.ok((await ada.page(list)).includes(ADA.email), `${list} shows ${ADA.email}`)
  }
}

/** The build for SQLite runs on PostgreSQL with nothing but its URL. */
async function onPostgres(app) {
  const name = 'next start on PostgreSQL, by DATABASE_URL alone'
  const server = await startUnlessGiven().catch((error) => {
    if (error.code !== 'NO_POSTGRES') throw error
    console.log(`skipped ${name}: ${error.message}`)
  })
  if (!server) return
  try {
    await check(name, () =>
      withDatabase(server.url, async (url) => {
        const media = new App(app.folder, url)
        makeTables(media.folder, media.env)
        await media.started('start', answersSubmits)
      }),
    )
    await check('next start as a stock app on PostgreSQL', () =>
      withDatabase(server.url, async (url, client) => {
        await client.unsafe(fs.readFileSync(path.join(FIXTURES, 'stock.pg.sql'), 'utf8'))
        await app.asStock(url).started('start', answersGenerations)
      }),
    )
  } finally {
    await server.stop()
  }
}

/** The same build on a libSQL server, which its URL shows. */
async function onLibsql(app) {
  const name = 'next start on a libSQL server, by DATABASE_URL alone'
  const binary = await sqld.install().catch((error) => skip(name, error))
  if (!binary) return
  const server = await sqld.start(binary)
  const media = new App(app.folder, server.url)
  const answers = async () => {
    makeTables(media.folder, media.env)
    await media.started('start', answersSubmits)
  }
  await check(name, answers).finally(() => server.stop())
}

/** The same build on MySQL. */
async function onMysql(app) {
  const name = 'next start on MySQL, by DATABASE_URL alone'
  const server = await mariadb.start().catch((error) => skip(name, error))
  if (!server) return
  const client = await mysql.createConnection(server.url)
  await client.query('CREATE DATABASE next')
  await client.end()
  const media = new App(app.folder, server.url.replace(/mysql$/, 'next'))
  const answers = async () => {
    makeTables(media.folder, media.env)
    await media.started('start', answersSubmits)
  }
  await check(name, answers).finally(() => server.stop())
}

async function saysSoAtTheBuild(app) {
  await app.with(EDGE_ROUTE, () => assert.rejects(app.build(), sayingSo))
}

function sayingSo({ message }) {
  assert.ok(message.includes(SENTENCE), message)
  assert.doesNotMatch(message, /Can't resolve|Module not found/)
  return true
}

async function saysSoInTheBrowser(app) {
  await app.with(CLIENT_COMPONENT, async () => {
    await app.build()
    await app.browse('mistake')
  })
}

/** The route and the model are evaluated again, and use the same engine as before. */
async function survivesReload(url, server, app) {
  await answersSubmits(url, server, app)
  const user = await User.signUp(url)
  const refuses = (message) =>
    until(`a refusal says “${message}”`, async () => {
      const answer = await user.post('/api/media/submit', { url: 'https://youtu.be/x', outputType: 'none' })
      return answer.message === message
    })
  const [route, model] = [ROUTE, MODEL].map((file) => path.join(app.folder, file))
  const [routeSource, modelSource] = [route, model].map((file) => fs.readFileSync(file, 'utf8'))
  const changed = routeSource
    .replace('import { createMediaTask }', 'import { createMediaTask, VERSION }')
    .replace("'Please choose subtitles or video'", 'VERSION')
  assert.equal(changed.split('VERSION').length, 3)
  try {
    // The route returns the version of its model, which shows that the model was evaluated again.
    fs.writeFileSync(model, `${modelSource}export const VERSION: string = 'the first model'\n`)
    fs.writeFileSync(route, changed)
    await refuses('the first model')
    fs.writeFileSync(model, `${modelSource}export const VERSION: string = 'the second model'\n`)
    await refuses('the second model')
    await answersSubmits(url, server, app)
  } finally {
    fs.writeFileSync(route, routeSource)
    fs.writeFileSync(model, modelSource)
  }
}

main().catch((error) => {
  console.error(error.stack)
  process.exitCode = 1
})
