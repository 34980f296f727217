'use strict'

/** What tests of many calls ask: what came of each, whether something was written, whether the ledger is sound. */

const { LEDGER, TestDatabase } = require('./database')
const { violations } = require('./invariants')
const { start } = require('./processes')

const isSound = async (database) => expect(await violations(database)).toEqual([])

/** For a file or a `describe`: after each of its tests the invariants hold, in every database that is open. */
function staysSound() {
  beforeEach(() => {
    TestDatabase.checks.add(isSound)
  })
}

/**
 * One database for all tests of a file or a `describe`, which are about rows of their own. Returns a function that
 * gives what `prepare` gave: a database, or an object with one as `database`.
 */
function together(prepare) {
  let prepared
  beforeAll(async () => {
    prepared = await prepare()
    databaseOf(prepared).keep()
  })
  return () => prepared
}

/** The same for tests that write nothing: after each of them, every row is what it was. */
function unchanging(prepare) {
  let rows
  const prepared = together(prepare)
  const all = () => databaseOf(prepared()).everything({ ...LEDGER, user: '*' })
  beforeAll(async () => {
    rows = await all()
  })
  afterEach(async () => {
    const before = rows
    // What one test has written is its own failure, and not that of those after it.
    rows = await all()
    expect(rows).toEqual(before)
  })
  return prepared
}

const databaseOf = (prepared) => prepared.database ?? prepared

/** Makes a call so many times at once, with its number. */
const atOnce = (times, call) =>
  Promise.allSettled(Array.from({ length: times }, async (_, number) => call(number)))

/** What came of a call, in a word: `accepted`, `replayed`, or the code of its refusal. */
function outcome({ reason, value }) {
  if (reason) return reason.code ?? reason.message
  return value?.replayed ? 'replayed' : 'accepted'
}

/** How many calls came to what. */
function counted(settled) {
  const count = {}
  for (const what of settled.map(outcome)) count[what] = (count[what] ?? 0) + 1
  return count
}

/** The values of the calls that were accepted. */
const values = (settled) => settled.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)

/** The result of a call, after a look that it has written nothing. */
async function writingNothing(database, call) {
  const before = await database.everything()
  const result = await call()
  expect(await database.everything()).toEqual(before)
  return result
}

/**
 * Makes calls in processes of their own, which begin at the same moment: lists of `[function, ...arguments]`, one
 * for each process. Returns what came of each call, for each process.
 */
async function inProcesses(database, ...lists) {
  await database.user('gate')
  const running = lists.map((calls, number) =>
    start('caller.js', [database.url, number, lists.length, JSON.stringify(calls)]),
  )
  const ends = await Promise.all(running.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code)).toEqual(lists.map(() => 0))
  return ends.map(({ lines }) => lines)
}

module.exports = {
  atOnce,
  counted,
  inProcesses,
  outcome,
  staysSound,
  together,
  unchanging,
  values,
  writingNothing,
}
