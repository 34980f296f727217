'use strict'

const args = require('../../../cli/arguments')

const DAY_MS = 86_400_000

describe('the command line', () => {
  test.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['7d', 7 * DAY_MS],
  ])('reads %s as a duration', (text, ms) => expect(args.duration(text)).toBe(ms))

  test.each(['', '5', 'm', '-5m', '1.5h', '0d', '5 m', '5w', '99999d', '5m\n'])(
    'refuses %j as a duration',
    (text) => {
      expect(() => args.duration(text)).toThrow('a duration such as')
    },
  )

  test.each([
    ['2026-11-01', '2026-11-01T00:00:00.000Z', '2026-11-02T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['2026-11-01T18:00', '2026-11-01T18:00:00.000Z', '2026-11-01T18:00:00.000Z'],
    ['2026-11-01 18:00:05Z', '2026-11-01T18:00:05.000Z', '2026-11-01T18:00:05.000Z'],
    ['2026-11-01T18:00+02:00', '2026-11-01T16:00:00.000Z', '2026-11-01T16:00:00.000Z'],
  ])('reads %s as a time, from then on or before then', (text, from, to) => {
    expect(args.from(text).toISOString()).toBe(from)
    expect(args.to(text).toISOString()).toBe(to)
  })

  test.each(['', 'now', '2026', '2026-02-30', '2026-13-01', '2026-11-01T25:00', '11/01/2026', '1767225600'])(
    'refuses %j as a time',
    (text) => {
      for (const read of [args.from, args.to, args.expiry]) expect(() => read(text)).toThrow('Expected a day')
    },
  )

  test('counts a duration back from now for the past, and on from now for an expiry', () => {
    expect(Math.abs(args.from('30d').getTime() + 30 * DAY_MS - Date.now())).toBeLessThan(60_000)
    expect(Math.abs(args.expiry('30d').getTime() - 30 * DAY_MS - Date.now())).toBeLessThan(60_000)
    expect(args.expiry('2100-12-31').toISOString()).toBe('2100-12-31T23:59:59.999Z')
    expect(() => args.expiry('2020-12-31')).toThrow('in the past')
  })

  test.each(['0', '-1', '1.5', '1e2', '0x10', '', ' 1', '11', '9'.repeat(30)])(
    'refuses %j as a number up to 10',
    (text) => {
      expect(() => args.wholeNumber(10)(text)).toThrow('a whole number from 1 to 10')
    },
  )
})
