'use strict'

/** Output: tables and colours for people, JSON for scripts. */

const { WriteStream } = require('node:tty')
const { stripVTControlCharacters } = require('node:util')
const Table = require('cli-table3')
const { createColors } = require('picocolors')
const stringWidth = require('string-width')

/** Whether a stream gets colours: terminals do, unless NO_COLOR or FORCE_COLOR says otherwise. */
function isColourful(stream, env = process.env) {
  const forced = env.FORCE_COLOR !== undefined
  return (forced || stream.isTTY === true) && WriteStream.prototype.getColorDepth(env) > 1
}

const coloursOf = (stream) => createColors(isColourful(stream))

const CONTROL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu

/** Text from the database as one line. It must not control the operator's terminal. */
function oneLine(text) {
  return stripVTControlCharacters(String(text)).replace(CONTROL, ' ').trim()
}

const count = (number) => number.toLocaleString('en-US')

/** A number with its sign, for additions and deductions. */
const signed = (number) => (number > 0 ? `+${count(number)}` : count(number))

/** `2 findings`, `1 finding`. */
const plural = (number, noun, nouns = `${noun}s`) => `${count(number)} ${number === 1 ? noun : nouns}`

/** `a, b and c`. */
const listed = (words) => words.join(', ').replace(/, ([^,]*)$/, ' and $1')

/** A time in UTC, to the second. */
function time(date) {
  return date ? date.toISOString().slice(0, 19).replace('T', ' ') : 'never'
}

/** A rounded duration: `45 s`, `12 min`, `3 h`, `9 d`. */
function ago(ms) {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ]
  const [size, unit] = units.find(([size]) => ms >= 2 * size) ?? [1000, 's']
  return `${count(Math.round(ms / size))} ${unit}`
}

const NO_LINES = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((name) => [name, '']),
)
const GAP = 2
/** A last column that would be narrower than this is not wrapped. */
const NARROWEST = 24

/**
 * A table without lines. `columns` are `{ title, right, width }`; if all titles are `null`, there is no
 * header. The last column is wrapped to the rest of `width`, if that is given.
 */
function table(columns, rows, width) {
  const texts = rows.map((row) => row.map((cell) => String(cell ?? '')))
  const titles = columns.map(({ title }) => title ?? '')
  const hasHead = titles.some((title) => title !== '')
  const widths = columns.map(({ width }, at) =>
    Math.max(width ?? 0, ...[titles, ...texts].map((row) => stringWidth(row[at]))),
  )
  const last = columns.length - 1
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + GAP, 0)
  const room = (width ?? Infinity) - before
  // Wrapping at spaces would cut longer words, but ids must be complete.
  const longest = Math.max(0, ...texts.flatMap((row) => row[last].split(' ').map(stringWidth)))
  if (room >= Math.max(NARROWEST, longest)) widths[last] = Math.min(widths[last], room)
  const made = new Table({
    chars: { ...NO_LINES, middle: ' '.repeat(GAP) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colWidths: widths.map((width) => Math.max(width, 1)),
    colAligns: columns.map(({ right }) => (right ? 'right' : 'left')),
    wordWrap: true,
  })
  made.push(...(hasHead ? [titles] : []), ...texts)
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/**
 * A command's output. With `json`, only `document` writes; without it, only the other methods do. Waits for a
 * slow reader.
 */
class Output {
  /** `head` is a line before the output for people. */
  constructor({ json = false, stream = process.stdout, head } = {}) {
    this.json = json
    this.head = head
    this.stream = stream
    this.colours = coloursOf(stream)
  }

  /** For scripts: a JSON document on one line. */
  document(value) {
    return this.json ? this.write(JSON.stringify(value)) : undefined
  }

  /** For people: text. */
  text(text = '') {
    return this.json ? undefined : this.write(text)
  }

  /** For people: a table as wide as the terminal. In a file or a pipe, lines are not wrapped. */
  table(columns, rows) {
    if (this.json || rows.length === 0) return undefined
    const [head, ...lines] = table(columns, rows, this.stream.columns).split('\n')
    const hasHead = columns.some(({ title }) => title)
    return this.write([hasHead ? this.colours.bold(head) : head, ...lines].join('\n'))
  }

  async write(said) {
    const text = this.head === undefined ? said : `${this.head}\n${said}`
    this.head = undefined
    if (this.stream.write(`${text}\n`)) return
    await new Promise((resolve) => this.stream.once('drain', resolve))
  }
}

module.exports = { Output, ago, coloursOf, count, isColourful, listed, oneLine, plural, signed, table, time }
