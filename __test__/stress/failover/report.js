'use strict'

/** The result of a scenario: a table, and a sentence for each error. */

const { table } = require('../../../bench/table')

const WRONG = {
  lost: 'acknowledged and not there',
  doubled: 'there twice',
  unasked: 'refused, and there all the same',
  broken: 'violations of the ledger',
}

/** The longest time between two of these moments, in seconds. */
function longestGap(times) {
  const sorted = [...times].sort((a, b) => a - b)
  const gaps = sorted.slice(1).map((at, index) => at - sorted[index])
  return (Math.max(0, ...gaps) / 1000).toFixed(1)
}

/** How often which error came: `12 DATABASE_ERROR 25006 final`. */
function errors(told) {
  const counts = {}
  for (const { outcome, code, databaseCode, retryable } of told) {
    if (outcome === 'done') continue
    const end = retryable || outcome === 'unknown' ? undefined : 'final'
    const what = [code, databaseCode, end].filter(Boolean).join(' ')
    counts[what] = (counts[what] ?? 0) + 1
  }
  return Object.entries(counts).map(([what, count]) => `${count} ${what}`)
}

/** A sentence for each error. */
function wrong({ loads, found, idle }) {
  const sentences = Object.entries(WRONG)
    .filter(([kind]) => found[kind].length)
    .map(([kind, sentence]) => `${found[kind].length} ${sentence}: ${found[kind].slice(0, 3).join(', ')}`)
  for (const { way } of idle) sentences.push(`${way}: too few calls succeeded`)
  for (const { way, told } of loads) {
    const final = told.filter(({ outcome, retryable }) => outcome === 'refused' && !retryable)
    const readOnly = final.filter(({ databaseCode }) => databaseCode === '25006')
    if (readOnly.length) sentences.push(`${way}: ${readOnly.length} calls said 25006`)
    const others = final.length - readOnly.length
    if (others) sentences.push(`${way}: ${others} calls were told not to try again`)
  }
  return sentences
}

/** Prints the result of a scenario. Returns the number of errors. */
function report(title, result) {
  const { loads, writes } = result
  const rows = loads.map((load) => {
    const times = load.written().map(({ at }) => at)
    return [load.way, times.length, longestGap(times), errors(load.told).join(', ') || 'none']
  })
  console.log(`\n${title}\n`)
  console.log(table(['way', 'acknowledged', 'longest gap, s', 'refused'], rows))
  console.log(writes ? `\nThe servers themselves took no write for ${longestGap(writes)} s.` : '')
  const findings = wrong(result)
  for (const finding of findings) console.log(`BAD ${finding}`)
  if (!findings.length) console.log('ok  nothing lost, nothing doubled, the ledger is whole')
  return findings.length
}

module.exports = { report }
