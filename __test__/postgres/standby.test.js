'use strict'

const { AN_HOUR_AGO, findings } = require('../helpers/books')
const { addUsers, until } = require('../helpers/callers')
const { aiTask, refusal, task } = require('../helpers/database')
const { connection, foreignTransaction } = require('../helpers/network')
const { caughtUp, clientOn, ownPair, urlOn } = require('../helpers/standby')

// A hot standby that streams from its primary and serves reads. It cancels reads that conflict with replication at once.

const pair = ownPair({ max_standby_streaming_delay: '0' })
const { primary, standby } = pair

/** A database with a user, a task of each kind and a charge, and a connection to it on the standby. */
async function open() {
  const database = await primary.database()
  const { credits } = database
  await addUsers(database, 1)
  const media = await credits.createMediaTask(task('t', 'u0'), 10)
  await credits.createAITask(aiTask('ai', 'u0', { costCredits: 5 }))
  const charge = await credits.consumeCredits({ userId: 'u0', credits: 20, transactionNo: 'c' })
  await caughtUp(pair)
  return { database, charge, media, reader: connection(urlOn(standby, database)) }
}

/** A task that has failed and keeps its charge: an audit finds it, and a repair refunds it. */
async function damage({ database }) {
  await database.sql(`UPDATE media_tasks SET status = 'failed', updated_at = ? WHERE id = 't'`, AN_HOUR_AGO)
  await caughtUp(pair)
}

const READS = {
  getRemainingCredits: (credits) => credits.getRemainingCredits('u0'),
  getBalance: (credits) => credits.getBalance('u0'),
  getCredits: (credits) => credits.getCredits({ userId: 'u0', getUser: true }),
  getCreditsCount: (credits) => credits.getCreditsCount({ userId: 'u0' }),
  getStatement: (credits) => credits.getStatement('u0'),
  quoteCredits: (credits) => credits.quoteCredits('u0', 150),
  findMediaTaskById: (credits) => credits.findMediaTaskById('t'),
  findAITaskById: (credits) => credits.findAITaskById('ai'),
  getMediaTaskCharges: (credits) => credits.getMediaTaskCharges('t'),
  getMediaTaskHistory: (credits) => credits.getMediaTaskHistory('u0'),
  getActiveMediaTasks: (credits) => credits.getActiveMediaTasks('u0'),
  hasActiveMediaTask: (credits) => credits.hasActiveMediaTask('u0'),
  getAITasks: (credits) => credits.getAITasks({ userId: 'u0' }),
  getAITasksCount: (credits) => credits.getAITasksCount({ userId: 'u0' }),
  findStuckMediaTasks: (credits) => credits.findStuckMediaTasks({ olderThanMs: 1000 }),
  auditLedger: (credits) => findings(credits),
  'repairLedger without apply': (credits) => credits.repairLedger(),
}

test('each read, an audit and a repair without apply return the same as on the primary', async () => {
  const { database, reader } = await open()
  await damage({ database })
  for (const [name, read] of Object.entries(READS)) {
    expect([name, await read(reader)]).toEqual([name, await read(database.credits)])
  }
  expect(await findings(reader)).not.toEqual([])
  const { tables } = await reader.getDiagnostics()
  expect(tables).toEqual((await database.credits.getDiagnostics()).tables)
})

const WRITES = {
  createMediaTask: ({ reader }) => reader.createMediaTask(task('new', 'u0'), 1),
  'createMediaTask without a cost': ({ reader }) => reader.createMediaTask(task('new', 'u0'), 0),
  createMediaTasks: ({ reader }) =>
    reader.createMediaTasks([{ task: task('new', 'u0'), costCredits: 1 }], { atomic: true }),
  createAITask: ({ reader }) => reader.createAITask(aiTask('new', 'u0', { costCredits: 1 })),
  consumeCredits: ({ reader }) => reader.consumeCredits({ userId: 'u0', credits: 1 }),
  createCredit: ({ reader }) => reader.createCredit({ userId: 'u0', credits: 1 }),
  updateMediaTaskById: ({ reader }) => reader.updateMediaTaskById('t', { status: 'failed' }),
  chargeMediaTask: ({ reader }) => reader.chargeMediaTask('t', { credits: 1 }),
  settleMediaTask: ({ reader }) => reader.settleMediaTask('t', 1),
  refundCredits: ({ reader, charge }) => reader.refundCredits(charge.id),
  'repairLedger with apply': ({ reader }) => reader.repairLedger({ apply: true }),
  createTables: ({ reader }) => reader.createTables(),
}

test.each(Object.entries(WRITES))('%s is refused because the server accepts no writes', async (_, write) => {
  const opened = await open()
  await damage(opened)
  const error = await refusal(opened.database, () => write(opened))
  expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '25006', retryable: false })
  expect(error.message).toContain('the server is a standby, or read-only: DATABASE_URL must name one')
})

test('a read that conflicts with replication is cancelled by the standby, and repeated', async () => {
  const { database, reader } = await open()
  const before = await reader.getStatement('u0')
  const behind = clientOn(standby, database)
  // The reader has read `credit`, and waits for a table that the primary has locked.
  const locker = await foreignTransaction(database, 'LOCK TABLE ai_task IN ACCESS EXCLUSIVE MODE')
  await caughtUp(pair)
  const statement = reader.getStatement('u0')
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  await until(async () => (await behind.unsafe(waiting)).length === 1, 'the read waits for the lock')
  await database.run('BEGIN', 'LOCK TABLE credit IN ACCESS EXCLUSIVE MODE', 'COMMIT')
  await until(async () => (await reader.stats()).retries.conflicts > 0, 'the read was cancelled')
  await locker.commit()
  expect(await statement).toEqual(before)
})
