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
 * directory that has it. What such a file says holds for this process.
 *
 * @returns {{ options: object, url: string, source: string }}
 */
function findDatabase({ url, env: file }, env = process.env) {
  if (url !== undefined) return { options: { url }, url, source: 'the command line' }
  if (file === undefined && env.DATABASE_URL) {
    return { options: {}, url: env.DATABASE_URL, source: 'DATABASE_URL' }
  }
  for (const name of file === undefined ? FILES : [file]) {
    const found = readEnvFile(name, file !== undefined)
    if (!found?.DATABASE_URL) continue
    for (const name of NAMES) if (found[name]) env[name] = found[name]
    return { options: {}, url: found.DATABASE_URL, source: `DATABASE_URL in ${name}` }
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
  if (/^file:|^[A-Za-z]:[\\/]/.test(url) || !/[:@]/.test(url) || url === ':memory:') {
    return url.replace(/^file:(\/\/(?=\/))?/, '').replace(/\?.*$/, '')
  }
  return `${/^[a-z]+(?=:\/\/)/i.exec(url)?.[0] ?? 'a database'}://…`
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
