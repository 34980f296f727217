'use strict'

const { TestDatabase } = require('../helpers/database')
const { connect } = require('../..')
const { connection } = require('../helpers/network')

// The maximum number of connections in the environment, as the app reads it.

const NAME = 'DB_MAX_CONNECTIONS'
const before = process.env[NAME]

afterEach(() => {
  if (before === undefined) delete process.env[NAME]
  else process.env[NAME] = before
})

describe('DB_MAX_CONNECTIONS', () => {
  test.each([
    // the variable, the option; the number in force
    [undefined, undefined, 10],
    ['', undefined, 10],
    ['1', undefined, 1],
    ['25', undefined, 25],
    ['0', undefined, 1],
    ['2000', undefined, 1000],
    ['25', 3, 3],
    ['many', 3, 3],
  ])('as %p, with %p as maxConnections, allows %p connections', async (value, maxConnections, expected) => {
    const database = await TestDatabase.fresh()
    await database.credits.close()
    if (value === undefined) delete process.env[NAME]
    else process.env[NAME] = value
    const credits = connection(database.url, { ...(maxConnections && { maxConnections }) })
    expect(await credits.getDiagnostics()).toMatchObject({ maxConnections: expected })
  })

  test.each(['many', '1.5', ' 5', '5x', '1e1'])('makes each call fail if it is %p', async (value) => {
    const database = await TestDatabase.fresh()
    process.env[NAME] = value
    const credits = connection(database.url)
    const error = { code: 'INVALID_ARGUMENT', field: NAME, message: expect.stringContaining(NAME) }
    await expect(credits.getRemainingCredits('u')).rejects.toMatchObject(error)
    // Invalid arguments are reported first, and an app's build connects to nothing.
    await expect(credits.consumeCredits({ userId: 'u', credits: -1 })).rejects.toMatchObject({
      code: 'INVALID_AMOUNT',
    })
  })

  test('is ignored for an SQLite file', async () => {
    process.env[NAME] = 'many'
    const credits = connect({ url: ':memory:' })
    await credits.createTables()
    expect(await credits.getRemainingCredits('u')).toBe(0)
    await credits.close()
  })
})
