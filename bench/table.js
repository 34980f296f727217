'use strict'

/** Figures as Markdown. */

/** The first column holds names, the others numbers. */
function table(columns, rows) {
  const align = columns.map((_, at) => (at === 0 ? '---' : '---:'))
  return [columns, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const count = (number) => Math.round(number).toLocaleString('en-US')
const fixed = (number, digits = 0) => number.toFixed(digits)
const mib = (bytes) => fixed(bytes / 2 ** 20)

module.exports = { count, fixed, mib, table }
