'use strict'

/**
 * Reads an app's env files with Next.js's own code, so that the values are those that the app gets. The
 * environment of this process is not changed.
 */

const fs = require('node:fs')
const path = require('node:path')

/** No database is configured, or the configuration can't be read. */
class NoDatabaseError extends Error {
  code = 'NO_DATABASE'
}

/**
 * Reads the env files of a folder, in Next.js's order. Like Next.js, it goes on if one can't be read, and
 * adds the error to `errors`.
 *
 * @returns {{ files: { path: string, env: object }[], errors: NoDatabaseError[] }}
 */
function readFolder(folder, mode) {
  const { loadEnvConfig } = require('@next/env')
  const errors = []
  const log = logInto(errors, (text) => path.basename(text))
  const isDevelopment = mode === 'development'
  const { loadedEnvFiles } = within(process.env, () => loadEnvConfig(folder, isDevelopment, log, true))
  return { files: loadedEnvFiles, errors }
}

/** The files that Next.js looks for, in order. They need not exist. */
function filesOf(mode) {
  const local = mode === 'test' ? [] : ['.env.local']
  return [`.env.${mode}.local`, ...local, `.env.${mode}`, '.env']
}

/** The values of one file, parsed like the others. Its own names take precedence over the environment. */
function readFile(file) {
  let contents
  try {
    contents = fs.readFileSync(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
  const own = Object.keys(valuesOf(file, contents, {}))
  const others = Object.entries(process.env).filter(([name]) => !own.includes(name))
  return valuesOf(file, contents, Object.fromEntries(others))
}

/** The values may refer to names in `env`. */
function valuesOf(file, contents, env) {
  const { processEnv } = require('@next/env')
  const errors = []
  const read = { path: file, contents, env: {} }
  const log = logInto(errors, () => file)
  within(env, () => processEnv([read], '', log, true))
  if (errors.length > 0) throw errors[0]
  return read.env
}

/** Next.js logs the files that it can't read: `Failed to load env from .env`, and the error. */
const logInto = (errors, fileOf) => ({
  info() {},
  error: (text, error) =>
    errors.push(unreadable(fileOf(text.replace(/^Failed to load env from /, '')), error)),
})

function unreadable(file, error) {
  const why = error instanceof RangeError ? 'a value refers to itself' : (error.code ?? error.message)
  return new NoDatabaseError(`${file} can't be read: ${why}`)
}

/** Runs `work` with this environment, which it may change. */
function within(env, work) {
  const own = { ...process.env }
  setEnv({ ...env })
  try {
    return work()
  } finally {
    setEnv(own)
  }
}

function setEnv(env) {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
}

module.exports = { NoDatabaseError, filesOf, readFile, readFolder }
