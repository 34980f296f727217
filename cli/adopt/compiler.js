'use strict'

/** Runs the app's own `tsc`, to tell new errors from existing ones. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { compilerOf } = require('./parser')

const LARGEST_OUTPUT_BYTES = 2 ** 28

/**
 * The errors of `tsc` in the app; `undefined` if it can't be run. Those after which the types are not checked
 * have `isBroken`.
 */
function errorsOf(app) {
  const compiler = compilerOf(app.root)
  if (!compiler || !app.has('tsconfig.json')) return undefined
  if (!isIncremental(app)) return errorsFrom(run(app, compiler, []))
  // The app's own build info stays as it is. `--incremental false` would be an error beside other options.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-'))
  try {
    return errorsFrom(run(app, compiler, ['--tsBuildInfoFile', path.join(folder, 'tsbuildinfo')]))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Whether `tsc` would write build info, also with `--noEmit`. */
function isIncremental({ ts, root }) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  const config = ts.getParsedCommandLineOfConfigFile(path.join(root, 'tsconfig.json'), {}, host)
  return Boolean(config?.options.incremental || config?.options.composite)
}

const run = ({ root }, compiler, words) =>
  spawnSync(process.execPath, [compiler, '--noEmit', '--pretty', 'false', ...words], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: LARGEST_OUTPUT_BYTES,
  })

function errorsFrom({ stdout, stderr, status, signal, error }) {
  const errors = readErrors(stdout ?? '')
  if (errors.length > 0 && errors.every(isOfOptions)) {
    return errors.map((each) => ({ ...each, isBroken: true }))
  }
  if (errors.length > 0 || (status === 0 && !error)) return errors
  const said = (stderr || stdout || '').trim().split(/\r?\n/).at(-1)
  const how = error ? error.message : `${signal ?? status}${said ? `: ${said}` : ''}`
  return [{ message: `tsc ended with ${how}`, isBroken: true }]
}

/** An error of the command line or of tsconfig.json. If there are no others, `tsc` stopped at it. */
const isOfOptions = ({ path: file }) => !file || file.endsWith('.json')

/** An error is `src/a.ts(3,5): error TS2322: …`, followed by indented details. */
function readErrors(text) {
  const lines = text.split(/\r?\n/).filter((line) => /(?:^|: )error TS\d+:/.test(line))
  return lines.map((line) => {
    const [, file, number, message] = /^(.*?)\((\d+),\d+\): (error TS.*)$/.exec(line) ?? []
    return file ? { path: file, line: Number(number), message } : { message: line }
  })
}

/**
 * The errors in `after` that are not in `before`, ignoring line numbers. If `tsc` did not check the types, all
 * of its errors count.
 */
function newErrors(before, after) {
  const known = new Map()
  const keyOf = ({ path: file, message }) => `${file}\n${message}`
  for (const error of before) known.set(keyOf(error), (known.get(keyOf(error)) ?? 0) + 1)
  return after.filter((error) => {
    const left = known.get(keyOf(error)) ?? 0
    known.set(keyOf(error), left - 1)
    return left <= 0 || Boolean(error.isBroken)
  })
}

module.exports = { errorsOf, newErrors, readErrors }
