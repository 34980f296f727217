'use strict'

/** Helpers of tests of many calls: outcomes, whether rows were written, whether the invariants hold. */

const path = require('node:path')
const { LEDGER, TestDatabase } = require('./database')
const { violations } = require('./invariants')
const { Standing } = require('./standing')

const callers = new Standing(path.join(__dirname, 'caller.js'))

const isSound = async (database) => expect(await violations(database)).toEqual([])

/** For a file or a `describe`: checks after each of its tests that the invariants hold in each open database. */
function staysSound() {
  beforeEach(() => {
    TestDatabase.checks.add(isSound)
  })
}

/**
 * One database for all tests of a file or a `describe`, which each use their own rows. Returns a function that
 * returns the result of `prepare`: a database, or an object with one as `database`.
 */
function together(prepare) {
  let prepared
  beforeAll(async () => {
    prepared = await prepare()
    databaseOf(prepared).keep()
  })
  return () => prepared
}

/** The same for tests that write nothing: after each of them no row may have changed. */
function unchanging(prepare) {
  let rows
  const prepared = together(prepare)
  const all = () => databaseOf(prepared()).everything({ ...LEDGER, user: '*' })
  beforeAll(async () => {
    rows = await all()
  })
  afterEach(async () => {
    const before = rows
    // A write of one test must not fail the tests after it.
    rows = await all()
    expect(rows).toEqual(before)
  })
  return prepared
}

const databaseOf = (prepared) => prepared.database ?? prepared

/** Makes this many concurrent calls, each with its number. */
const atOnce = (times, call) =>
  Promise.allSettled(Array.from({ length: times }, async (_, number) => call(number)))

/** The outcome of a call: `accepted`, `replayed`, or the code of its refusal. */
function outcome({ reason, value }) {
  if (reason) return reason.code ?? reason.message
  return value?.replayed ? 'replayed' : 'accepted'
}

/** The number of calls by outcome. */
function counted(settled) {
  const count = {}
  for (const what of settled.map(outcome)) count[what] = (count[what] ?? 0) + 1
  return count
}

/** The values of the calls that were accepted. */
const values = (settled) => settled.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)

/** The result of a call, which must write nothing. */
async function writingNothing(database, call) {
  const before = await database.everything()
  const result = await call()
  expect(await database.everything()).toEqual(before)
  return result
}

/**
 * Makes calls in separate processes, which begin at the same moment: lists of `[function, ...arguments]`, one
 * for each process. Returns the outcomes of the calls, for each process.
 */
async function inProcesses(database, ...lists) {
  await database.user('gate')
  const jobs = lists.map((calls, number) => ({ url: database.url, number, processes: lists.length, calls }))
  return Promise.all(jobs.map((job) => callers.run(job)))
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
