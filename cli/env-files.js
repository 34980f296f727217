'use strict'

/**
 * What an app's env files say, read by Next.js's own code: what the app is told, this is told. The environment of
 * this process stays as it is.
 */

const fs = require('node:fs')
const path = require('node:path')

/** The command line does not say which database, or says what can't be. */
class NoDatabaseError extends Error {
  code = 'NO_DATABASE'
}

/**
 * Reads the files of a folder, in Next.js's order. It goes on where one can't be read, as Next.js does: `errors` has
 * those.
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

/** Where Next.js looks, in its order. It does not say which of them are not there. */
function filesOf(mode) {
  const local = mode === 'test' ? [] : ['.env.local']
  return [`.env.${mode}.local`, ...local, `.env.${mode}`, '.env']
}

/** The values of one file, which says them in the same words. Its own names go before those of the environment. */
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

/** The values may refer to names of `env`. */
function valuesOf(file, contents, env) {
  const { processEnv } = require('@next/env')
  const errors = []
  const read = { path: file, contents, env: {} }
  const log = logInto(errors, () => file)
  within(env, () => processEnv([read], '', log, true))
  if (errors.length > 0) throw errors[0]
  return read.env
}

/** Next.js writes to its log which file it goes on without: `Failed to load env from .env`, and the error. */
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
