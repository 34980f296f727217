'use strict'

/** The app in which the blocks of the docs run: the values of `app.d.ts`, on a separate database. */

const { randomUUID } = require('node:crypto')
const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { memoryFolder } = require('../../scripts/memory-folder')
const { TestDatabase, task } = require('../helpers/database')
const { STORAGE } = require('../helpers/storage')
const { ROOT } = require('./blocks')

const CREDITS = 100

/** Calls `use` with an app. Meanwhile its database is the `DATABASE_URL` of the environment. */
async function withApp(use) {
  const database = await TestDatabase.fresh()
  await database.user('user', CREDITS)
  const { DATABASE_URL } = process.env
  process.env.DATABASE_URL = database.url
  // Loaded again: a default connection that is closed stays closed.
  let credits
  jest.isolateModules(() => (credits = require('../..')))
  const folder = fs.mkdtempSync(path.join(memoryFolder(), 'media-credits-docs-'))
  try {
    await use(appOn(database, credits, folder))
  } finally {
    await credits.close()
    fs.rmSync(folder, { recursive: true, force: true })
    if (DATABASE_URL === undefined) delete process.env.DATABASE_URL
    else process.env.DATABASE_URL = DATABASE_URL
  }
}

function appOn(database, credits, folder) {
  const declared = []
  const config = {
    initial_credits_enabled: 'true',
    initial_credits_amount: '20',
    initial_credits_valid_days: '30',
  }
  const modules = {
    'media-credits': credits,
    '@/shared/models/config': { getAllConfigs: async () => config },
    ...drizzle(declared),
  }
  const data = path.join(folder, 'data')
  return {
    database,
    declared,
    scope: { ...credits, ...values() },
    require: (name) => modules[name] ?? createRequire(path.join(ROOT, 'package.json'))(name),
    /** The folder in which commands run. On SQLite `data/local.db` is a copy of the app's database at the first command. */
    async openFolder() {
      if (!fs.existsSync(data)) {
        fs.mkdirSync(data)
        if (STORAGE === 'sqlite') await database.sql('VACUUM INTO ?', path.join(data, 'local.db'))
      }
      return { folder, url: database.url }
    },
  }
}

function values() {
  const id = randomUUID()
  const url = `https://youtu.be/${id}`
  return {
    userId: 'user',
    task: task(id, 'user'),
    id,
    taskId: id,
    url,
    videoUrl: url,
    outputType: 'subtitle',
    targetLang: 'fr',
    errorMessage: 'there is no subtitle',
    jobId: `job-${id}`,
    orderNo: `order-${id}`,
    getUserInfo: async () => ({ id: 'user' }),
    extract: async ({ videoUrl }) => {
      if (videoUrl.includes('fail')) throw new Error('there is no subtitle')
    },
  }
}

/** Stands in for Drizzle: `declared` gets each table that a block declares, with its columns. */
function drizzle(declared) {
  const column = (name) => ({ name, primaryKey: () => column(name) })
  const table = (name, columns) => declared.push([name, Object.values(columns).map(({ name }) => name)])
  return {
    'drizzle-orm/sqlite-core': { sqliteTable: table, text: column },
    'drizzle-orm/pg-core': { pgTable: table, text: column },
    'drizzle-orm/mysql-core': { mysqlTable: table, varchar: column },
  }
}

module.exports = { withApp }
