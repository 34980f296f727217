'use strict'

const { PassThrough } = require('node:stream')
const { text } = require('node:stream/consumers')
const { Output, ago, isColourful, oneLine, plural, signed, table, time } = require('../../../cli/output')
const { Progress } = require('../../../cli/progress')

const DAY_MS = 86_400_000

describe('the command line', () => {
  test.each([
    ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }, false],
    ['a terminal', { isTTY: true }, {}, true],
    ['a terminal with NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }, false],
    ['a pipe', {}, {}, false],
    ['a pipe with FORCE_COLOR', {}, { FORCE_COLOR: '1' }, true],
    ['a terminal with FORCE_COLOR=0', { isTTY: true }, { FORCE_COLOR: '0' }, false],
  ])('writes to %s, a stream %j in the environment %j, with colours: %j', (_, stream, env, expected) => {
    expect(isColourful(stream, { TERM: 'xterm-256color', ...env })).toBe(expected)
  })

  test('aligns wide characters in a table, and wraps its last column', () => {
    const columns = [{ title: 'user' }, { title: 'n', right: true }, { title: 'what' }]
    const rows = [
      ['日本', '1,200', 'a sentence that is longer than there is room'],
      ['u👍', '3', null],
    ]
    expect(table(columns, rows, 40).split('\n')).toEqual([
      'user      n  what',
      '日本  1,200  a sentence that is longer',
      '             than there is room',
      'u👍       3',
    ])
    expect(table(columns, rows).split('\n')).toHaveLength(3)
  })

  test('does not cut a word that is longer than its column', () => {
    const id = 'x'.repeat(60)
    expect(table([{ title: 'a' }, { title: 'b' }], [['y', id]], 50)).toContain(id)
  })

  test('prints a text on one line, without control characters', () => {
    expect(oneLine('a\u001b[31mb\u001b[0m\r\nc\u0007\u202ed\u2028')).toBe('ab c d')
  })

  test('prints numbers and times in a readable form', () => {
    expect([signed(1500), signed(-1500), signed(0)]).toEqual(['+1,500', '-1,500', '0'])
    expect([plural(1, 'user'), plural(2, 'user'), plural(2, 'entry', 'entries')]).toEqual([
      '1 user',
      '2 users',
      '2 entries',
    ])
    expect([time(new Date(0)), time(null)]).toEqual(['1970-01-01 00:00:00', 'never'])
    expect([45_000, 600_000, 3 * 3_600_000, 9 * DAY_MS].map(ago)).toEqual(['45 s', '10 min', '3 h', '9 d'])
  })

  test('waits for a slow reader', async () => {
    const stream = new PassThrough({ highWaterMark: 4 })
    const output = new Output({ stream })
    let written = false
    const writing = output.text('more than fits').then(() => (written = true))
    await new Promise(setImmediate)
    expect(written).toBe(false)
    stream.resume()
    await writing
  })

  test('shows a progress bar only on terminals, and removes it before other output', async () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
    const progress = new Progress('rows', stream)
    progress.update(5, 10)
    progress.update(20, 10)
    await progress.above(async () => stream.write('a finding\n'))
    progress.stop()
    const written = await text(stream.end())
    expect(written).toContain('5/10 rows')
    expect(written).toMatch(/100%.*20\/20 rows.*a finding\n.*20\/20 rows/s)
    const pipe = new PassThrough()
    const silent = new Progress('rows', pipe)
    silent.update(5, 10)
    await silent.above(async () => {})
    silent.stop()
    expect(await text(pipe.end())).toBe('')
  })
})
