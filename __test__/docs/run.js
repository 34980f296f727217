'use strict'

/**
 * Runs a block of TypeScript or JavaScript, and checks what its comments claim:
 *
 *     await getRemainingCredits(userId) // → 90
 *     await consumeCredits({ userId, credits: 91 }) // rejects with INSUFFICIENT_CREDITS
 *
 * The text after the arrow is JavaScript. Of an object, the named fields must match.
 */

const path = require('node:path')
const ts = require('typescript')
const { ROOT } = require('./blocks')

const CLAIM = /^\/\/ (→|rejects with) (.*)$/
const AsyncFunction = (async () => {}).constructor

/** Runs `source`, whose lines are those of the page, with the names of `scope`. */
async function runModule(page, source, scope, requireModule) {
  let current = 0
  const checks = {
    $at: (line) => (current = line),
    $is(line, actual, expected) {
      current = line
      expect({ value: actual }).toMatchObject({ value: expected })
      return actual
    },
    async $rejects(line, code, call) {
      current = line
      const outcome = await call().then(
        () => 'nothing: it resolved',
        (error) => error.code ?? error,
      )
      expect(outcome).toBe(code)
    },
  }
  const known = { ...scope, ...checks, require: requireModule, exports: {} }
  try {
    const { outputText } = ts.transpileModule(withChecks(page, source), {
      compilerOptions: {
        module: ts.ModuleKind.CommonJS,
        target: ts.ScriptTarget.ES2022,
        esModuleInterop: true,
      },
    })
    // In a separate block, so that it can declare names of the scope.
    await new AsyncFunction(...Object.keys(known), `{\n${outputText}\n}`)(...Object.values(known))
  } catch (error) {
    throw failureAt(page, current, error)
  }
}

/** An error whose stack is one line of the page, which Jest shows. */
function failureAt(page, line, { message }) {
  const error = new Error(`${page}:${line}: ${message}`)
  error.stack = `${error.message}\n    at ${page} (${path.join(ROOT, page)}:${line}:1)`
  return error
}

/** The source with its claims as calls of `$is` and `$rejects`, and `$at` before each statement. */
function withChecks(page, source) {
  const file = ts.createSourceFile(page, source, ts.ScriptTarget.ES2022, true)
  const inserted = []
  const around = (node, before, after) => {
    inserted.push([node.getStart(), before], [node.end, after])
  }
  const lineOf = (position) => file.getLineAndCharacterOfPosition(position).line + 1
  const claimed = new Set()
  const visit = (node) => {
    const statements = ts.isSourceFile(node) || ts.isBlock(node) ? node.statements : []
    for (const statement of statements) {
      if (ts.isSourceFile(node))
        inserted.push([statement.getStart(), `$at(${lineOf(statement.getStart())});`])
      for (const { pos, end } of ts.getTrailingCommentRanges(source, statement.end) ?? []) {
        const [, kind, claim] = CLAIM.exec(source.slice(pos, end)) ?? []
        const value = statement.expression ?? statement.declarationList?.declarations[0].initializer
        if (!kind || !value) continue
        claimed.add(lineOf(pos))
        if (kind === '→') around(value, `$is(${lineOf(pos)}, `, `, (${claim}))`)
        else around(value, `await $rejects(${lineOf(pos)}, '${claim}', async () => { `, ' })')
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  for (const [at, line] of source.split('\n').entries()) {
    if (/\/\/ (→|rejects with)/.test(line) && !claimed.has(at + 1)) {
      throw failureAt(page, at + 1, new Error('a claim that stands behind no statement'))
    }
  }
  inserted.sort(([a], [b]) => a - b)
  return inserted.reduceRight((text, [at, what]) => text.slice(0, at) + what + text.slice(at), source)
}

module.exports = { failureAt, runModule }
