'use strict'

/** Which database a command uses, and how to name it without its password. */

const { NoDatabaseError, filesOf, readFile, readFolder } = require('./env-files')
const { listed } = require('./output')

/** The environment variables that the package reads. */
const NAMES = ['DATABASE_URL', 'DATABASE_PROVIDER', 'DATABASE_AUTH_TOKEN', 'DB_SCHEMA', 'DB_MAX_CONNECTIONS']

/** Variables for parts that a PostgreSQL URL leaves out, such as `PGPASSWORD`. */
const isOfPostgres = (name) => name.startsWith('PG')

/**
 * The options of `connect`, and the source of the URL: `--url`, the file of `--env`, the environment, or the
 * env files of the working directory. Values from files apply to this process, name by name as in Next.js;
 * the file of `--env` takes precedence over the environment.
 *
 * `origins` has the source of each name. `isFound`: the operator has not named the database, it was found.
 *
 * @returns {{ options: object, url: string, source: string, origins: object, isFound: boolean }}
 */
function findDatabase({ url, env: file }) {
  if (url !== undefined) {
    const { origins } = chosen([environment()])
    return { options: { url }, url, source: 'the command line', origins, isFound: false }
  }
  const { values, origins } = file === undefined ? ofFolder(process.cwd()) : ofFile(file)
  Object.assign(process.env, values)
  const isFound = file === undefined && origins.DATABASE_URL !== environment().origin
  return { options: {}, url: values.DATABASE_URL, source: sourceOf(origins), origins, isFound }
}

const environment = () => ({ origin: 'of the environment', env: process.env })
const fileAsPlace = ({ path, env }) => ({ origin: `in ${path}`, env })

/** The value of each name from the first place that has it. An empty value counts, as in Next.js. */
function chosen(places) {
  const [values, origins] = [{}, {}]
  for (const name of NAMES) {
    const place = places.find(({ env }) => env[name] !== undefined)
    if (!place) continue
    values[name] = place.env[name]
    origins[name] = place.origin
  }
  for (const { env } of places) {
    for (const name of Object.keys(env).filter(isOfPostgres)) values[name] ??= env[name]
  }
  return { values, origins }
}

/** `DATABASE_URL and DB_SCHEMA in .env, DB_MAX_CONNECTIONS of the environment`. */
function sourceOf(origins) {
  const places = [...new Set(Object.values(origins))]
  const named = places.map((origin) => {
    const names = NAMES.filter((name) => origins[name] === origin)
    return `${listed(names)} ${origin}`
  })
  return named.join(', ')
}

function ofFile(file) {
  const env = readFile(file)
  if (env.DATABASE_URL) return chosen([fileAsPlace({ path: file, env }), environment()])
  throw new NoDatabaseError(`no database is configured: ${file} has no DATABASE_URL`)
}

function ofFolder(folder) {
  const [looked, read] = [[], []]
  let found
  for (const mode of modes(process.env.NODE_ENV)) {
    const { files, errors } = readFolder(folder, mode)
    // An operator who sets DATABASE_URL need not be able to read the app's files.
    if (errors.length > 0 && !process.env.DATABASE_URL) throw errors[0]
    found = chosen([environment(), ...files.map(fileAsPlace)])
    if (found.values.DATABASE_URL) return found
    looked.push(...filesOf(mode))
    read.push(...files.map(({ path }) => path))
  }
  throw new NoDatabaseError(nowhere(looked, read, found.origins.DATABASE_URL))
}

/** The modes in which the app may run. Without NODE_ENV, the app may have a database in production only. */
function modes(nodeEnv) {
  if (!nodeEnv) return ['development', 'production']
  return [['test', 'production'].includes(nodeEnv) ? nodeEnv : 'development']
}

function nowhere(looked, read, emptyAt) {
  const names = (all) => listed([...new Set(all)])
  const there = read.length > 0 ? `nor in ${names(read)}` : 'and this folder has no env file'
  const why = emptyAt
    ? `DATABASE_URL ${emptyAt} is empty`
    : `it is not in the environment, ${there} (searched: ${names(looked)})`
  return `no database is configured: set DATABASE_URL, or pass --url or --env; ${why}`
}

/**
 * The server and database of a URL, or the file. For an ambiguous URL only the scheme, because the apparent
 * host may be part of the password.
 */
function placeOf(url) {
  const [, scheme, host, name = ''] =
    /^(postgres|mysql|mariadb)(?:ql|2)?:\/\/(?:[^@/?#\s]*@)?([\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)(\/[\w.-]*)?(?:\?[^@#]*)?$/i.exec(
      url,
    ) ?? []
  if (host) return `${scheme.toLowerCase()}://${host}${name}`
  const [, server] = /^((?:libsql|https?|wss?):\/\/[\w.:[\]-]+[\w./-]*)(?:\?[^@#]*)?$/i.exec(url) ?? []
  if (server) return server
  if (/^file:|^[A-Za-z]:[\\/]/.test(url) || !/[:@]|password\s*=/i.test(url) || url === ':memory:') {
    return url.replace(/^file:(\/\/(?=\/))?/, '').replace(/\?.*$/, '')
  }
  const [beginning] = /^[a-z]+2?:\/\//i.exec(url) ?? ['a database, ']
  return `${beginning}…`
}

/**
 * A text without passwords from the command line: a message that repeats an invalid argument must not repeat
 * a URL.
 */
function withoutSecrets(text, words = process.argv.slice(2)) {
  const values = words.flatMap((word) => {
    const value = /^--?[\w-]+=(.*)$/s.exec(word)?.[1] ?? word
    return /:|@|password=/.test(value) && !/^[\dT:.Z+-]+$/.test(value) ? [value] : []
  })
  return values.reduce((clean, value) => clean.replaceAll(value, '…'), text)
}

module.exports = { NoDatabaseError, findDatabase, placeOf, withoutSecrets }
