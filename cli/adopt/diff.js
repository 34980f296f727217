'use strict'

/** A file's edits as a unified diff. */

const CONTEXT = 3

const linesOf = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? []

/** The parts of the text that have edits, as whole lines, with the lines that replace them. */
function regionsOf(source) {
  const ranges = []
  for (const { start, end, text } of source.edits) {
    const last = ranges.at(-1)
    const from = source.lineStart(start)
    // An edit that ends at the start of a line has not changed that line.
    const isWhole = (end > start || text.endsWith('\n')) && end === source.lineStart(end) && start === from
    const to = isWhole ? end : source.lineEnd(end)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else ranges.push({ from, to })
  }
  return ranges.map(({ from, to }) => ({
    line: linesOf(source.text.slice(0, from)).length,
    before: linesOf(source.text.slice(from, to)),
    after: linesOf(source.rewritten(from, to)),
  }))
}

/** A region as removed, added and unchanged lines. */
function changesOf({ line, before, after }) {
  const kept = longestCommon(before, after)
  const changes = []
  let [old, now] = [0, 0]
  for (const [a, b] of [...kept, [before.length, after.length]]) {
    if (a > old || b > now) {
      changes.push({ line: line + old, before: before.slice(old, a), after: after.slice(now, b) })
    }
    ;[old, now] = [a + 1, b + 1]
  }
  return changes
}

/** The pairs of indexes of a longest common subsequence. */
function longestCommon(before, after) {
  const lengths = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  for (let a = before.length - 1; a >= 0; a--) {
    for (let b = after.length - 1; b >= 0; b--) {
      lengths[a][b] =
        before[a] === after[b] ? lengths[a + 1][b + 1] + 1 : Math.max(lengths[a + 1][b], lengths[a][b + 1])
    }
  }
  const pairs = []
  let [a, b] = [0, 0]
  while (a < before.length && b < after.length) {
    if (before[a] === after[b]) pairs.push([a++, b++])
    else if (lengths[a + 1][b] >= lengths[a][b + 1]) a++
    else b++
  }
  return pairs
}

/** Groups adjacent changes, with context lines. */
function hunksOf(changes) {
  const hunks = []
  for (const change of changes) {
    const last = hunks.at(-1)?.at(-1)
    if (last && change.line - (last.line + last.before.length) <= 2 * CONTEXT) hunks.at(-1).push(change)
    else hunks.push([change])
  }
  return hunks
}

const withEnd = (mark, line) =>
  line.endsWith('\n') ? `${mark}${line.slice(0, -1)}` : `${mark}${line}\n\\ No newline at end of file`

/** The diff of one file, as lines without line breaks. */
function diffOf(source) {
  const lines = linesOf(source.text)
  const head = [source.isNew ? '--- /dev/null' : `--- a/${source.path}`, `+++ b/${source.path}`]
  let shift = 0
  const hunks = hunksOf(regionsOf(source).flatMap(changesOf)).map((hunk) => {
    const from = Math.max(0, hunk[0].line - CONTEXT)
    const last = hunk.at(-1)
    const to = Math.min(lines.length, last.line + last.before.length + CONTEXT)
    const said = []
    let [at, grown] = [from, 0]
    for (const { line, before, after } of hunk) {
      said.push(...lines.slice(at, line).map((text) => withEnd(' ', text)))
      said.push(...before.map((text) => withEnd('-', text)), ...after.map((text) => withEnd('+', text)))
      at = line + before.length
      grown += after.length - before.length
    }
    said.push(...lines.slice(at, to).map((text) => withEnd(' ', text)))
    const [old, now] = [to - from, to - from + grown]
    const title = `@@ -${old ? from + 1 : from},${old} +${now ? from + shift + 1 : from + shift},${now} @@`
    shift += grown
    return [title, ...said]
  })
  return [...head, ...hunks.flat()].flatMap((line) => line.split('\n'))
}

module.exports = { diffOf }
