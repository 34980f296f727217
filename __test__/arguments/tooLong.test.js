'use strict'

const { TestDatabase } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')

test('a call that is longer than a string is refused, and the process ends after the calls beside it', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const { code, out } = await evaluate(
    `const text = 'x'.repeat(2 ** 28)
     const long = credits.consumeCredits({ userId: 'u', credits: 1, scene: text, description: text })
     const short = () => credits.consumeCredits({ userId: 'u', credits: 1 })
     Promise.allSettled([long, short()]).then(async (ends) => {
       console.log(ends.map(({ reason }) => reason?.code ?? 'charged').join(' '))
       await short()
     })`,
    { DATABASE_URL: database.url },
  )
  expect({ code, out }).toEqual({ code: 0, out: 'INVALID_ARGUMENT charged' })
  expect(await database.credits.getRemainingCredits('u')).toBe(98)
})
