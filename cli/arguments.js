'use strict'

/** What the command line's words mean: numbers, durations and times. A word that means nothing is a usage error. */

const { InvalidArgumentError } = require('commander')

const MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A year that a database and `Date` can both hold; more is a typing error. */
const LONGEST_MS = 36_500 * MS.d

/** As many credits as a column holds. */
const MOST_CREDITS = 2_147_483_647

/** A whole number of at least `least`, and of at most `largest`. */
function wholeNumber(largest, least = 1) {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    if (number >= least && number <= largest) return number
    const range = `from ${least} to ${largest.toLocaleString('en-US')}`
    throw new InvalidArgumentError(`Expected a whole number ${range}.`)
  }
}

/** `90s`, `30m`, `12h` or `7d`, in milliseconds; `undefined` if it is none. */
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
 * `2026-12-31`, `2026-12-31T18:00` or `2026-12-31T18:00:00+02:00`; `undefined` if it is none. Without an offset it
 * is UTC. A day alone is the moment `intoDayMs` after its beginning.
 */
function readTime(text, intoDayMs) {
  const [, day, clock, offset] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? []
  if (!day || !isDay(day)) return undefined
  const time = new Date(`${day}T${clock ?? '00:00'}${offset ?? 'Z'}`).getTime() + (clock ? 0 : intoDayMs)
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** `Date` takes the 30th of February for the 2nd of March. */
function isDay(day) {
  const time = new Date(`${day}T00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}

/** When something is over: a time to come, or a duration from now on. A day counts until its end. */
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

/** As `expiry`, or `never`, for which it is `null`. Commander takes `null` for a value that is missing, hence the object. */
const end = (text) => ({ expiresAt: text === 'never' ? null : expiry(text) })

/** A time, or a duration that counts back from now. A day alone is the moment `intoDayMs` after its beginning. */
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
  /** From this moment on: a day from its beginning. */
  from: past(0),
  /** Before this moment: a day to its end. */
  to: past(MS.d),
  wholeNumber,
}
