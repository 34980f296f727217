'use strict'

const { connect } = require('..')
const { TestDatabase, task } = require('./helpers/database')
const { violations } = require('./helpers/invariants')

describe('close', () => {
  test('after it every call is CLOSED', async () => {
    const { credits } = await TestDatabase.fresh()
    await credits.close()
    const calls = Object.entries(credits).filter(([name]) => name !== 'close')
    expect(calls.length).toBeGreaterThanOrEqual(13)
    for (const [name, call] of calls) {
      const valid = { createMediaTask: [task('t', 'u'), 1], updateMediaTaskById: ['t', {}] }
      const other = /Credit/.test(name) && !/Remaining/.test(name) ? [{ userId: 'u', credits: 1 }] : ['u']
      const filter = /^getCredits/.test(name) ? [{}] : undefined
      await expect(call(...(valid[name] ?? filter ?? other))).rejects.toMatchObject({
        code: 'CLOSED',
        retryable: false,
      })
    }
  })

  test('twice, and before the first use, is fine', async () => {
    const database = await TestDatabase.fresh()
    await Promise.all([database.credits.close(), database.credits.close()])
    await database.credits.close()
    await connect({ url: database.url }).close()
    await connect({ url: 'mysql://nowhere' }).close()
  })

  test('finishes what was accepted', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const submits = Array.from({ length: 20 }, (_, at) =>
      database.credits.createMediaTask(task(`t${at}`, 'u'), 5),
    )
    const balance = database.credits.getRemainingCredits('u')
    await database.credits.close()
    expect((await Promise.all(submits)).map(({ id }) => id)).toHaveLength(20)
    expect(await balance).toBeLessThanOrEqual(100)
    expect(await violations(database)).toEqual([])
  })

  test('leaves other connections to the same file alone', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const other = connect({ url: database.url })
    await other.createMediaTask(task('t', 'u'), 5)
    await other.close()
    expect(await database.credits.getRemainingCredits('u')).toBe(95)
  })
})
