'use strict'

const { connect, MediaCreditsError } = require('..')
const { TestDatabase, task } = require('./helpers/database')

describe('connect', () => {
  test.each([
    ['no object', null, 'INVALID_ARGUMENT'],
    ['an unknown option', { uri: 'file:x.db' }, 'UNKNOWN_FIELD'],
    ['a url that is no text', { url: 5 }, 'INVALID_ARGUMENT'],
    ['an unknown durability', { durability: 'fast' }, 'INVALID_ARGUMENT'],
    ['an unknown unit', { timestampUnit: 'us' }, 'INVALID_ARGUMENT'],
    ['a negative timeout', { busyTimeoutMs: -1 }, 'INVALID_ARGUMENT'],
    ['a fractional timeout', { busyTimeoutMs: 0.5 }, 'INVALID_ARGUMENT'],
    ['a queue of nothing', { maxQueue: 0 }, 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, options, code) => {
    expect(() => connect(options)).toThrow(expect.objectContaining({ name: 'MediaCreditsError', code }))
  })

  test.each([
    ['', 'INVALID_URL'],
    ['file:local.db?mode=ro', 'INVALID_URL'],
    ['postgres://app:secret@host/app', 'UNSUPPORTED_DATABASE'],
    ['libsql://app.turso.io', 'UNSUPPORTED_DATABASE'],
    ['https://app.turso.io', 'UNSUPPORTED_DATABASE'],
    ['mysql://app:secret@host/app', 'UNSUPPORTED_DATABASE'],
  ])('%p is an error of the first call, not of an import', async (url, code) => {
    const credits = connect({ url })
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error.code).toBe(code)
    expect(error.message + error.stack).not.toContain('secret')
  })

  test('opens the file once, however its path is spelled', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const spellings = [database.file, `file://${database.file}`, `file:${database.folder}/./local.db`]
    const connections = spellings.map((url) => connect({ url }))
    const all = [database.credits, ...connections]
    await Promise.all(all.map((credits, at) => credits.createMediaTask(task(`t${at}`, 'u'), 10)))
    expect(await Promise.all(all.map((credits) => credits.getRemainingCredits('u')))).toEqual([
      60, 60, 60, 60,
    ])
    for (const credits of connections) await credits.close()
    expect(await database.credits.getRemainingCredits('u')).toBe(60)
  })

  test('refuses other options for a file that is open', async () => {
    const database = await TestDatabase.fresh()
    const other = connect({ url: database.url, durability: 'normal' })
    await expect(other.getRemainingCredits('u')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('functions may be taken off the connection', async () => {
    const database = await TestDatabase.fresh()
    const { getRemainingCredits } = database.credits
    expect(await getRemainingCredits('nobody')).toBe(0)
  })
})
