'use strict'

const { connect } = require('../..')
const { atOnce, staysSound } = require('../helpers/calls')
const { TestDatabase } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')
const { counted } = require('../helpers/rows')

TestDatabase.reuse()
staysSound()

const HOLDS = 30

let second
afterEach(() => second?.close())

/** User `u` has 300 credits, and holds of 10 each that have ended. Two connections. */
async function withHolds() {
  const database = await TestDatabase.fresh()
  await database.user('u', HOLDS * 10)
  const items = Array.from({ length: HOLDS }, () => ({ userId: 'u', credits: 10, holdUntil: new Date(9e12) }))
  const holds = await database.credits.consumeCreditsBatch(items, { atomic: true })
  await database.sql("UPDATE credit SET expires_at = ? WHERE transaction_type = 'consume'", new Date(9e11))
  second = connect({ url: database.url })
  return { database, ids: holds.map(({ id }) => id), both: [database.credits, second] }
}

const released = (all) => all.flatMap(({ charges }) => charges.map(({ id }) => id))

test('many servers that release at once return each hold once', async () => {
  const { database, ids, both } = await withHolds()
  const all = await Promise.all(Array.from({ length: 6 }, (_, at) => both[at % 2].releaseHolds()))
  expect(all.flatMap(({ errors }) => errors)).toEqual([])
  expect(released(all).sort()).toEqual([...ids].sort())
  expect(await database.credits.getRemainingCredits('u')).toBe(HOLDS * 10)
})

test('of a concurrent release, settlement and keepCharge of a hold one wins', async () => {
  const { database, ids, both } = await withHolds()
  const [all, settled, kept] = await Promise.all([
    Promise.all(both.map(({ releaseHolds }) => releaseHolds())),
    atOnce(HOLDS, (at) => both[at % 2].settleCredits(ids[at], 4)),
    atOnce(HOLDS, (at) => both[(at + 1) % 2].keepCharge(ids[at])),
  ])
  const back = new Set(released(all))
  expect(all.flatMap(({ errors }) => errors)).toEqual([])
  const stays = ids.length - back.size
  expect(counted(settled)).toEqual({
    ...(stays && { accepted: stays }),
    ...(back.size && { SETTLE_CONFLICT: back.size }),
  })
  expect(counted(kept).accepted ?? 0).toBe(stays)
  expect(counted(kept).CHARGE_REFUNDED ?? 0).toBe(back.size)
  expect(await database.credits.getBalance('u')).toMatchObject({ credits: HOLDS * 10 - stays * 4, held: 0 })
})

test('if one process releases and another settles, each hold is either released or settled', async () => {
  const { database, ids } = await withHolds()
  const run = (source) => evaluate(source, { DATABASE_URL: database.url })
  const [release, settle] = await Promise.all([
    run(
      'credits.releaseHolds().then(({ charges }) => console.log(JSON.stringify(charges.map(({ id }) => id))))',
    ),
    run(`Promise.all(${JSON.stringify(ids)}.map((id) => credits.settleCredits(id, 3).then(() => id, ({ code }) => code)))
      .then((all) => console.log(JSON.stringify(all)))`),
  ])
  const [back, ended] = [release, settle].map(({ out }) => JSON.parse(out))
  const settled = ended.filter((what) => what !== 'SETTLE_CONFLICT')
  expect([...back, ...settled].sort()).toEqual([...ids].sort())
  expect(await database.credits.getRemainingCredits('u')).toBe(HOLDS * 10 - settled.length * 3)
})

test('after kill -9 of a process that releases, the released holds stay so, and the next process releases the rest', async () => {
  const { database, ids, both } = await withHolds()
  const source = `credits.on('refunded', ({ creditId }) => {
      require('node:fs').writeSync(1, creditId + '\\n')
      if (++told === 5) process.kill(process.pid, 'SIGKILL')
    })
    let told = 0
    credits.releaseHolds()`
  const { signal, out } = await evaluate(source, { DATABASE_URL: database.url })
  const told = out.trim().split('\n')
  expect([signal, told.length]).toEqual(['SIGKILL', 5])
  const all = await both[1].releaseHolds()
  expect(all.errors).toEqual([])
  const rest = released([all])
  expect(rest.filter((id) => told.includes(id))).toEqual([])
  expect(rest.every((id) => ids.includes(id))).toBe(true)
  expect(await database.credits.getBalance('u')).toMatchObject({ credits: HOLDS * 10, held: 0 })
})

test('the hold of a process that dies is released', async () => {
  const { database, both } = await withHolds()
  await both[0].releaseHolds()
  const source = `credits.consumeCredits({ userId: 'u', credits: 7, holdUntil: new Date(Date.now() + 60_000) })
    .then(() => process.kill(process.pid, 'SIGKILL'))`
  expect((await evaluate(source, { DATABASE_URL: database.url })).signal).toBe('SIGKILL')
  expect(await both[0].getBalance('u')).toMatchObject({ credits: HOLDS * 10 - 7, held: 7 })
  expect(await both[0].releaseHolds()).toMatchObject({ credits: 0 })
  await database.sql(
    "UPDATE credit SET expires_at = ? WHERE status = 'active' AND credits < 0",
    new Date(9e11),
  )
  expect(await both[1].releaseHolds()).toMatchObject({ credits: 7 })
  expect(await both[0].getBalance('u')).toMatchObject({ credits: HOLDS * 10, held: 0 })
})
