'use strict'

/**
 * The pages of the documentation, and the fenced blocks in them, each with its file and line.
 *
 * An HTML comment beside a block is for the tests; readers don't see it:
 *
 *     <!-- first: await createMediaTask(task, 10) -->      TypeScript that runs before the block
 *     <!-- then: await getRemainingCredits(userId) // → 90 -->   TypeScript that runs after it
 *     <!-- shown only: what a terminal says -->            the block is not run, for this reason
 */

const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '../..')

/** All pages, as paths from the root, new ones in docs/ included. */
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...fs
    .readdirSync(path.join(ROOT, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
  'examples/next-app/README.md',
  '__test__/fixtures/README.md',
]

const FENCE = /^ *(`{3,}|~{3,})(.*)$/
const MARKS = ['first', 'then', 'shown only']

/** Lines `from` to `to` of a page, from 0, and their text. */
function piecesOf(page, lines) {
  const pieces = []
  for (let at = 0; at < lines.length; at++) {
    const from = at
    const fence = FENCE.exec(lines[at])
    const isComment = lines[at].trimStart().startsWith('<!--')
    if (!fence && !isComment) {
      if (lines[at].trim() !== '') pieces.push({ from })
      continue
    }
    const ends = fence ? (line) => line.trim() === fence[1] : (line) => line.includes('-->')
    if (fence) at++
    while (at < lines.length && !ends(lines[at])) at++
    if (at === lines.length) throw new Error(`${page}:${from + 1}: nothing ends this`)
    if (fence) pieces.push({ from, to: at, info: fence[2].trim() })
    else pieces.push({ from, to: at, mark: markOf(page, from, lines) })
  }
  return pieces
}

function markOf(page, from, lines) {
  const mark = MARKS.find((mark) => lines[from].trimStart().startsWith(`<!-- ${mark}:`))
  if (!mark) throw new Error(`${page}:${from + 1}: a comment that is none of ${MARKS.join(', ')}`)
  return mark
}

/** The text in a comment, or between the fences; each line keeps its number, all others are blank. */
function textAt(lines, piece) {
  if (!piece) return ''
  const { from, to, mark } = piece
  const within = lines.slice(from, to + 1)
  if (mark) {
    within[0] = within[0].replace(`<!-- ${mark}:`, '')
    within.push(within.pop().replace('-->', ''))
  } else {
    within[0] = within[within.length - 1] = ''
  }
  return '\n'.repeat(from) + within.join('\n')
}

/** Joins several texts of a page, each on its own lines. */
function together(...texts) {
  return texts.reduce((all, text) => all + text.slice(all.split('\n').length - 1))
}

/** The blocks of a page. */
function blocksOf(page, content = fs.readFileSync(path.join(ROOT, page), 'utf8')) {
  const lines = content.split('\n')
  const pieces = piecesOf(page, lines)
  const used = new Set()
  const beside = (at, step, marks) => {
    const found = {}
    for (at += step; marks.includes(pieces[at]?.mark); at += step) {
      found[pieces[at].mark] = pieces[at]
      used.add(pieces[at])
    }
    return found
  }
  const blocks = pieces.flatMap((piece, at) => {
    if (piece.info === undefined) return []
    const { first, 'shown only': shown } = beside(at, -1, ['first', 'shown only'])
    const { then } = beside(at, 1, ['then'])
    const [language = '', ...about] = piece.info.split(/\s+/)
    return [
      {
        page,
        line: piece.from + 1,
        name: `${page}:${piece.from + 1} ${piece.info || 'without a language'}`,
        language,
        about,
        code: textAt(lines, piece),
        first: textAt(lines, first),
        then: textAt(lines, then),
        shownOnly: shown && textAt(lines, shown).trim(),
      },
    ]
  })
  const stray = pieces.find((piece) => piece.mark && !used.has(piece))
  if (stray) throw new Error(`${page}:${stray.from + 1}: "${stray.mark}" belongs to no block`)
  return blocks
}

module.exports = { ROOT, blocksOf, pages, together }
