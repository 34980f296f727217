'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { MediaCreditsError } = require('../..')
const { TestDatabase, task } = require('../helpers/database')

const ROOT = path.join(__dirname, '../..')
const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8')

describe('an error', () => {
  test('is an Error of this realm with its code and numbers', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 5)
    const error = await database.credits.createMediaTask(task('t', 'u'), 10).catch((error) => error)
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'MediaCreditsError',
      message: 'Insufficient credits, 5 < 10',
      code: 'INSUFFICIENT_CREDITS',
      required: 10,
      available: 5,
      retryable: false,
    })
    expect(database.credits.getRemainingCredits('u')).toBeInstanceOf(Promise)
  })

  test('has a stack that points at the line of the caller', async () => {
    const database = await TestDatabase.fresh()
    async function submitRoute() {
      return database.credits.createMediaTask(task('t', 'nobody'), 10)
    }
    const error = await submitRoute().catch((error) => error)
    const [head, first] = error.stack.split('\n')
    expect(head).toContain('MediaCreditsError: there is no user "nobody"')
    expect(first).toMatch(/errors\.test\.js:\d+:\d+\)/)
  })
})

describe('docs/errors.md', () => {
  const source = read('src/error/codes.rs').match(/^codes! \{$(.*?)^\}$/ms)[1]
  const codesIn = (text) => [...text.matchAll(/["`']([A-Z]+(?:_[A-Z]+)*)["`']/g)].map(([, code]) => code)
  const codes = codesIn(source)
  const codesOf = (family) =>
    codesIn(source.match(new RegExp(`^    ${family} \\{$(.*?)^    \\}$`, 'ms'))[1]).sort()

  test('lists each code once, with cause and remedy', () => {
    const rows = read('docs/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
    expect(rows.map(([, code]) => code.replaceAll('`', '')).sort()).toEqual(codes.toSorted())
    for (const [, , cause, remedy] of rows) {
      expect(cause).not.toBe('')
      expect(remedy).not.toBe('')
    }
  })

  test.each([
    ['Caller', 'Caller errors'],
    ['Ledger', 'Ledger errors'],
    ['Database', 'Database errors'],
  ])('%s: the codes of this family are those of its section', (family, title) => {
    const section = read('docs/errors.md')
      .split(/^## /m)
      .find((text) => text.startsWith(title))
    const rows = section.split('\n').map((line) => line.match(/^\| (`\w+`) \|/)?.[1] ?? '')
    expect(codesIn(rows.join()).sort()).toEqual(codesOf(family))
  })

  test.each([
    ['Caller', 'CallerCode'],
    ['Ledger', 'RefusalCode'],
    ['Database', 'DatabaseCode'],
  ])('%s: the types know the codes of this family', (family, name) => {
    const [, union] = read('types/errors.d.ts').match(new RegExp(`type ${name} =(.*?)\\n\\n`, 's'))
    expect(codesIn(union).sort()).toEqual(codesOf(family))
  })
})
