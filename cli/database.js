'use strict'

/** Which database a command is about, and how to say so without its password. */

const { NoDatabaseError, filesOf, readFile, readFolder } = require('./env-files')
const { listed } = require('./output')

/** What the package reads from the environment. */
const NAMES = ['DATABASE_URL', 'DATABASE_PROVIDER', 'DATABASE_AUTH_TOKEN', 'DB_SCHEMA', 'DB_MAX_CONNECTIONS']

/** Besides, what a PostgreSQL URL may leave out, such as the password: `PGPASSWORD` and its like. */
const isOfPostgres = (name) => name.startsWith('PG')

/**
 * The options of `connect`, and where the URL comes from: `--url`, the file of `--env`, the environment, or the env
 * files of the working directory. What the files say holds for this process, name by name as in Next.js; what
 * `--env` names comes before the environment.
 *
 * `origins` says of each name that is set where that is. `isFound`: the operator has not named the database, it was found.
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

/** Of each name, what the first place says that has it. An empty value is one: Next.js looks no further. */
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
    // Who names the database himself need not be one who may read the app's files.
    if (errors.length > 0 && !process.env.DATABASE_URL) throw errors[0]
    found = chosen([environment(), ...files.map(fileAsPlace)])
    if (found.values.DATABASE_URL) return found
    looked.push(...filesOf(mode))
    read.push(...files.map(({ path }) => path))
  }
  throw new NoDatabaseError(nowhere(looked, read, found.origins.DATABASE_URL))
}

/** How the app may run. If the operator does not say how, it may be an app that has a database in production alone. */
function modes(nodeEnv) {
  if (!nodeEnv) return ['development', 'production']
  return [['test', 'production'].includes(nodeEnv) ? nodeEnv : 'development']
}

function nowhere(looked, read, emptyAt) {
  const names = (all) => listed([...new Set(all)])
  const there = read.length > 0 ? `only ${names(read)}` : 'none'
  const why = emptyAt
    ? `DATABASE_URL ${emptyAt} is empty`
    : `the environment has none, and of ${names(looked)} there is ${there} in this folder, without it`
  return `no database is configured: set DATABASE_URL, or pass --url or --env; ${why}`
}

/**
 * The server and the database of a URL, or the file. Of a URL that could be read in two ways it says the
 * scheme alone: what looks like a host may be a part of the password.
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
