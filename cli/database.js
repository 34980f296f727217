'use strict'

/** Which database a command is about, and how to say so without its password. */

const fs = require('node:fs')
const util = require('node:util')

/** What the package reads from the environment. */
const NAMES = ['DATABASE_URL', 'DATABASE_PROVIDER', 'DB_SCHEMA']
/** Where a Next.js app keeps it, in the order in which Next.js looks. */
const FILES = ['.env.local', '.env']

/** The command line does not say which database, or says what can't be. */
class NoDatabaseError extends Error {
  code = 'NO_DATABASE'
}

/**
 * The options of `connect`, and where the URL comes from: `--url`, the environment, or the first file of the working
 * directory that has it. What the files say and the environment does not holds for this process, name by name as in
 * Next.js; what `--env` names comes before the environment.
 *
 * @returns {{ options: object, url: string, source: string }}
 */
function findDatabase({ url, env: file }, env = process.env) {
  if (url !== undefined) return { options: { url }, url, source: 'the command line' }
  if (file === undefined && env.DATABASE_URL) {
    return { options: {}, url: env.DATABASE_URL, source: 'DATABASE_URL' }
  }
  const files = file === undefined ? FILES : [file]
  const found = files.map((name) => ({ name, values: readEnvFile(name, file !== undefined) ?? {} }))
  const first = found.find(({ values }) => values.DATABASE_URL)
  if (first) {
    for (const name of NAMES) {
      const value = found.map(({ values }) => values[name]).find(Boolean)
      if (value && (file !== undefined || !env[name])) env[name] = value
    }
    return { options: {}, url: first.values.DATABASE_URL, source: `DATABASE_URL in ${first.name}` }
  }
  throw new NoDatabaseError(
    file === undefined
      ? `which database? Set DATABASE_URL, or pass --url or --env; ${FILES.join(' and ')} of this folder have none`
      : `which database? ${file} has no DATABASE_URL`,
  )
}

/** What a file of `NAME=value` lines says; `undefined` if there is none. */
function readEnvFile(file, isNeeded) {
  let text
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (!isNeeded && error.code === 'ENOENT') return undefined
    throw new NoDatabaseError(`${file} can't be read: ${error.code}`)
  }
  if (util.parseEnv) return util.parseEnv(text)
  throw new NoDatabaseError(
    `${file} can't be read by Node ${process.version}: take 20.12, or set DATABASE_URL`,
  )
}

/**
 * The server and the database of a URL, or the file. Of a URL that could be read in two ways it says the
 * scheme alone: what looks like a host may be a part of the password.
 */
function placeOf(url) {
  const [, host, name = ''] =
    /^postgres(?:ql)?:\/\/(?:[^@/?#\s]*@)?([\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)(\/[\w.-]*)?(?:\?[^@#]*)?$/i.exec(
      url,
    ) ?? []
  if (host) return `postgres://${host}${name}`
  if (/^file:|^[A-Za-z]:[\\/]/.test(url) || !/[:@]|password\s*=/i.test(url) || url === ':memory:') {
    return url.replace(/^file:(\/\/(?=\/))?/, '').replace(/\?.*$/, '')
  }
  const [scheme] = /^[a-z]+:\/\//i.exec(url) ?? ['a database, ']
  return `${scheme}…`
}

/**
 * A text without what may be a password among the words of the command line: a message that repeats a wrong word must
 * not repeat a URL.
 */
function withoutSecrets(text, words = process.argv.slice(2)) {
  const values = words.flatMap((word) => {
    const value = /^--?[\w-]+=(.*)$/s.exec(word)?.[1] ?? word
    return /:|@|password=/.test(value) && !/^[\dT:.Z+-]+$/.test(value) ? [value] : []
  })
  return values.reduce((clean, value) => clean.replaceAll(value, '…'), text)
}

module.exports = { NoDatabaseError, findDatabase, placeOf, withoutSecrets }
