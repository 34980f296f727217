'use strict'

/** Runs the app's own `tsc`, to tell new errors from existing ones. */

const { spawnSync } = require('node:child_process')
const { compilerOf } = require('./parser')

const LARGEST_OUTPUT_BYTES = 2 ** 28

/** The errors of `tsc` in the app; `undefined` if it can't be run. */
function errorsOf(app) {
  const compiler = compilerOf(app.root)
  if (!compiler || !app.has('tsconfig.json')) return undefined
  const words = ['--noEmit', '--pretty', 'false', '--incremental', 'false']
  const { stdout, stderr, status, signal, error } = spawnSync(process.execPath, [compiler, ...words], {
    cwd: app.root,
    encoding: 'utf8',
    maxBuffer: LARGEST_OUTPUT_BYTES,
  })
  const errors = readErrors(stdout ?? '')
  if (errors.length > 0 || (status === 0 && !error)) return errors
  const said = (stderr || stdout || '').trim().split(/\r?\n/).at(-1)
  const how = error ? error.message : `${signal ?? status}${said ? `: ${said}` : ''}`
  return [{ message: `tsc ended with ${how}`, isBroken: true }]
}

/** An error is `src/a.ts(3,5): error TS2322: …`, followed by indented details. */
function readErrors(text) {
  const lines = text.split(/\r?\n/).filter((line) => /(?:^|: )error TS\d+:/.test(line))
  return lines.map((line) => {
    const [, path, number, message] = /^(.*?)\((\d+),\d+\): (error TS.*)$/.exec(line) ?? []
    return path ? { path, line: Number(number), message } : { message: line }
  })
}

/**
 * The errors in `after` that are not in `before`, ignoring line numbers. If `tsc` itself fails, its message
 * is the only error.
 */
function newErrors(before, after) {
  const known = new Map()
  const keyOf = ({ path, message }) => `${path}\n${message}`
  for (const error of before) known.set(keyOf(error), (known.get(keyOf(error)) ?? 0) + 1)
  return after.filter((error) => {
    const left = known.get(keyOf(error)) ?? 0
    known.set(keyOf(error), left - 1)
    return left <= 0 || Boolean(error.isBroken)
  })
}

module.exports = { errorsOf, newErrors, readErrors }
