'use strict'

/** Parses the arguments of options: numbers, durations and times. An invalid one is a usage error. */

const { InvalidArgumentError } = require('commander')

const MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The range that databases and `Date` can both hold; a longer duration is a typing error. */
const LONGEST_MS = 36_500 * MS.d

/** The largest number of credits that a column holds. */
const MOST_CREDITS = 2_147_483_647

/** A whole number from `least` to `largest`. */
function wholeNumber(largest, least = 1) {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    if (number >= least && number <= largest) return number
    const range = `from ${least} to ${largest.toLocaleString('en-US')}`
    throw new InvalidArgumentError(`Expected a whole number ${range}.`)
  }
}

/** `90s`, `30m`, `12h` or `7d`, in milliseconds; `undefined` if the text is not a duration. */
function readDuration(text) {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  const ms = Number(number) * MS[unit]
  return ms <= LONGEST_MS ? ms : undefined
}

/** A duration in milliseconds. */
function duration(text) {
  const ms = readDuration(text)
  if (ms > 0) return ms
  throw new InvalidArgumentError('Expected a duration such as 90s, 30m, 12h or 7d.')
}

/**
 * `2026-12-31`, `2026-12-31T18:00` or `2026-12-31T18:00:00+02:00`; `undefined` if the text is not a time.
 * Without an offset it is in UTC. A date alone is the time `intoDayMs` after its beginning.
 */
function readTime(text, intoDayMs) {
  const [, day, clock, offset] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? []
  if (!day || !isDay(day)) return undefined
  const time = new Date(`${day}T${clock ?? '00:00'}${offset ?? 'Z'}`).getTime() + (clock ? 0 : intoDayMs)
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** `Date` accepts the 30th of February as the 2nd of March. */
function isDay(day) {
  const time = new Date(`${day}T00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}

/** An expiry: a future time, or a duration from now. A date alone includes that day. */
function expiry(text) {
  const ms = readDuration(text)
  const time = ms === undefined ? readTime(text, MS.d - 1) : new Date(Date.now() + ms)
  if (!time) {
    throw new InvalidArgumentError(
      'Expected a day (2026-12-31), a time (2026-12-31T18:00Z) or a duration (30d).',
    )
  }
  if (time.getTime() <= Date.now()) throw new InvalidArgumentError('This time is in the past.')
  return time
}

/**
 * Like `expiry`, or `never`, which is `null`. An object, because Commander treats `null` as a missing value.
 */
const end = (text) => ({ expiresAt: text === 'never' ? null : expiry(text) })

/** A past time, or a duration before now. A date alone is the time `intoDayMs` after its beginning. */
function past(intoDayMs) {
  return (text) => {
    const ms = readDuration(text)
    const time = ms === undefined ? readTime(text, intoDayMs) : new Date(Date.now() - ms)
    if (time) return time
    throw new InvalidArgumentError(
      'Expected a day (2026-11-01), a time (2026-11-01T18:00Z) or a time ago (30d).',
    )
  }
}

module.exports = {
  MOST_CREDITS,
  duration,
  end,
  expiry,
  /** The start of a period; a date alone is its beginning. */
  from: past(0),
  /** The end of a period; a date alone is its end. */
  to: past(MS.d),
  wholeNumber,
}
