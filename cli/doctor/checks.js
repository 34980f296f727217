'use strict'

/**
 * Evaluates the facts that doctor has collected: each check is `ok`, a `warning` or a `problem`, with a
 * sentence.
 */

const { listed } = require('../output')
const { families } = require('./tasks')

const ok = (name, message) => ({ name, status: 'ok', message })
const warning = (name, message) => ({ name, status: 'warning', message })
const problem = (name, message) => ({ name, status: 'problem', message })

/** In milliseconds. A charge over a network takes two round trips. */
const SLOW_MS = 20

/**
 * All checks that these facts allow.
 *
 * @returns {{ name: string, status: 'ok' | 'warning' | 'problem', message: string }[]}
 */
function checks(facts) {
  const { diagnostics } = facts
  return [
    versions(facts),
    ...(facts.loadError ? [problem('binary', facts.loadError.message)] : [connection(facts)]),
    ...(facts.schemaError ? [schemaProblem(facts.schemaError)] : []),
    ...(diagnostics && !facts.schemaError
      ? [
          schema(diagnostics),
          ...tasks(facts),
          ...counters(diagnostics),
          ...indexes(diagnostics),
          ...values(facts),
        ]
      : []),
    ...(diagnostics?.storage === 'sqlite' ? sqlite(facts) : []),
    ...(diagnostics?.storage === 'postgres' ? postgres(facts) : []),
    ...(diagnostics?.storage === 'libsql' ? libsql(facts) : []),
    ...(diagnostics?.storage === 'mysql' ? mysql(facts) : []),
  ]
}

function versions({ versions, diagnostics }) {
  const server = diagnostics ? `, ${serverOf(diagnostics)}` : ''
  const binary = versions.binary ?? `no binary for ${versions.platform}`
  return ok('versions', `media-credits ${versions.package}, Node ${versions.node}, ${binary}${server}`)
}

function serverOf({ storage, sqliteVersion, serverVersion }) {
  if (storage === 'postgres') return `PostgreSQL ${serverVersion}`
  // MariaDB's version contains its name.
  if (storage === 'mysql') return /mariadb/i.test(serverVersion) ? serverVersion : `MySQL ${serverVersion}`
  return `SQLite ${sqliteVersion}`
}

function connection({ database, connectError, connectMs, roundTripMs, diagnostics }) {
  const where = `${database.place} (${database.source})`
  if (connectError) {
    const { code, message } = connectError
    const name = { SCHEMA_MISMATCH: 'schema', TIMESTAMP_UNIT_UNCLEAR: 'timestamps' }[code] ?? 'connection'
    return problem(name, `${where}: ${message}`)
  }
  if (roundTripMs === undefined) return ok('connection', `${where}, open after ${milliseconds(connectMs)}`)
  const times = `${where}, open after ${milliseconds(connectMs)}, a read takes ${milliseconds(roundTripMs)}`
  if (diagnostics.storage !== 'sqlite' && roundTripMs > SLOW_MS) {
    return warning('connection', `${times}; a charge takes two: move the app nearer to its database`)
  }
  return ok('connection', times)
}

const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`

function schemaProblem({ code, databaseCode, message }) {
  if (databaseCode === '42501') return problem('privileges', message)
  return problem(code === 'SCHEMA_MISMATCH' ? 'schema' : 'connection', message)
}

function schema({ tables }) {
  return ok('schema', tables.map(({ name, columns }) => `${name} (${columns.length} columns)`).join(', '))
}

/** Tables of tasks and free trials are optional. */
function tasks(facts) {
  return families(facts).map(({ title, table, isThere, available, missing, error }) => {
    if (!isThere) {
      const kept = `there is no table ${table}: functions for ${title} can't be used, and all others can`
      return ok(title, `${kept}. An app that never had it needs nothing`)
    }
    if (error)
      return warning(title, `${available ? "some functions can't" : "can't"} be used: ${error.message}`)
    const uncharged = missing.find(({ column }) => column === 'credit_id')
    const trial = missing.filter(({ stops }) => stops === 'freeTrialLimit').map(nameOf)
    const trials = trial.length > 0 ? [`freeTrialLimit can't be used without ${listed(trial)}`] : []
    if (!uncharged) return ok(title, ['can be used', ...trials].join('; '))
    const limits = [`can be used, but not charged: there is no ${nameOf(uncharged)}`, ...trials].join('; ')
    return warning(title, `${limits}. ${addCreditId(facts.diagnostics, table)}`)
  })
}

const nameOf = ({ table, column }) => `${table}.${column}`

function addCreditId(diagnostics, table) {
  const [type, inDrizzle] =
    diagnostics.storage === 'mysql'
      ? ['varchar(191)', "varchar('credit_id', { length: 191 })"]
      : ['text', "text('credit_id')"]
  const sql = `ALTER TABLE ${placeOf(diagnostics, table)} ADD COLUMN credit_id ${type};`
  return `Add creditId: ${inDrizzle} to it in the app's Drizzle schema and run npx drizzle-kit push, or run: ${sql}`
}

/**
 * Matches an app's own counter, such as `remaining_credits`, `usedCredits`, `credit_balance`, but not
 * `credits_reset_at`.
 */
const COUNTER = /credits|credit_?(balance|count)/i
const TIME = /(_at|At)$/

/** Counters besides the ledger are correct only if the app's own models do all charges. */
function counters({ tables }) {
  const columns = tables.find(({ name }) => name === 'user')?.columns ?? []
  const found = columns.filter((column) => COUNTER.test(column) && !TIME.test(column))
  if (found.length === 0) return []
  const are = found.length === 1 ? 'a counter of the app' : 'counters of the app'
  return [
    warning(
      'counters',
      `user has ${listed(found)}, ${are}'s own that media-credits does not maintain: show getRemainingCredits or ` +
        'getBalance instead, or count from events',
    ),
  ]
}

/** The columns by which statements look up rows, and the names of their indexes in the app's own schema. */
const NEEDED = [
  {
    table: 'credit',
    column: 'user_id',
    why: 'each charge reads the whole table',
    index: ['idx_credit_consume_fifo', 'user_id, status, transaction_type, remaining_credits, expires_at'],
  },
  {
    table: 'credit',
    column: 'transaction_no',
    unique: true,
    why: 'without one two rows can have the same number, and each charge reads the whole table',
    index: ['credit_transaction_no_unique', 'transaction_no'],
  },
  {
    table: 'media_tasks',
    column: 'user_id',
    why: "each query of a user's tasks reads the whole table",
    index: ['idx_media_task_user_status', 'user_id, status'],
  },
  {
    table: 'ai_task',
    column: 'user_id',
    why: "each query of a user's tasks reads the whole table",
    index: ['idx_ai_task_user_media_type', 'user_id, media_type'],
  },
]

/** Without a lock that charges would wait for. */
function createIndex(diagnostics, { table, unique, index: [name, columns] }) {
  const how = diagnostics.storage === 'postgres' ? 'INDEX CONCURRENTLY' : 'INDEX'
  return `CREATE ${unique ? 'UNIQUE ' : ''}${how} ${name} ON ${placeOf(diagnostics, table)} (${columns});`
}

/** A table's name in statements: on a server with its schema. */
const placeOf = ({ storage, schema }, table) =>
  storage === 'postgres' ? `"${schema.replaceAll('"', '""')}".${table}` : table

function indexes(diagnostics) {
  const { tables } = diagnostics
  const missing = NEEDED.filter(({ table: name, ...needed }) => {
    const table = tables.find((table) => table.name === name)
    return table && !table.indexes.some((index) => serves(index, needed))
  })
  if (missing.length === 0) return [ok('indexes', 'all indexes that the statements use exist')]
  return missing.map((needed) => {
    const { table, column, why } = needed
    const sql = createIndex(diagnostics, needed)
    return warning(
      'indexes',
      `${table} has no index on ${column}: ${why}. Add it to the app's Drizzle schema, or run: ${sql}`,
    )
  })
}

/** Unreadable values in the first rows. Wrong numbers are found by an audit. */
function values({ values: { rows, totalRows, unreadable, error } = {} }) {
  if (rows === undefined || error) return []
  const looked = rows < totalRows ? `the first ${rows} of ${totalRows}` : `all ${rows}`
  if (unreadable.length === 0)
    return [ok('values', `${looked} rows of credit hold values of their columns' types`)]
  return [
    warning(
      'values',
      `${unreadable.length} of ${looked} rows of credit and their users' tasks hold values that do not fit their ` +
        `columns: ${unreadable[0]}. npx media-credits audit lists all of them`,
    ),
  ]
}

const serves = ({ columns, unique }, needed) =>
  columns[0] === needed.column && (!needed.unique || (unique && columns.length === 1))

const timestamps = (unit) => ok('timestamps', `epoch ${unit === 'ms' ? 'milliseconds' : 'seconds'}`)

function sqlite({ diagnostics, sqliteClient, operatingSystem }) {
  const { journalMode, timestampUnit } = diagnostics
  return [
    timestamps(timestampUnit),
    journal(journalMode),
    locking(diagnostics, operatingSystem),
    ...client(sqliteClient),
  ]
}

function journal(mode) {
  if (mode === 'wal')
    return ok('journal', 'a write-ahead log: readers and the writer do not wait for each other')
  if (mode === 'memory')
    return warning('journal', 'the database is in memory, and is lost when this process ends')
  return warning(
    'journal',
    `journal mode ${mode}: readers and writers wait for each other. The first call of the app turns the write-ahead ` +
      "log on, unless it connects with journalMode: 'keep'",
  )
}

function locking({ locking }, operatingSystem) {
  if (locking === 'ofd') return ok('locking', "safe beside the app's own client in the same process")
  if (operatingSystem === 'win32') return ok('locking', "the system's locks, which belong to handles")
  return warning(
    'locking',
    "the system's locks: another copy of SQLite in the same process can corrupt the file. Use media-credits in a " +
      'process of its own, or for development only: docs/locking.md',
  )
}

/** From this version on, libSQL's client passes on its option `timeout`. */
const PASSES_TIMEOUT = [0, 17, 4]

function client(version) {
  if (version === undefined) return []
  const found = `the app has @libsql/client ${version}, which waits for a lock only if it is configured to`
  if (isAtLeast(version, PASSES_TIMEOUT)) {
    return [ok('busy timeout', `${found}: createClient({ url, timeout: 5000 })`)]
  }
  const cure =
    'this version ignores its option timeout: update it, or run PRAGMA busy_timeout = 5000, and again after each transaction() (docs/locking.md)'
  return [warning('busy timeout', `${found}, and ${cure}`)]
}

function isAtLeast(version, least) {
  const numbers = version.split(/[.-]/).slice(0, least.length).map(Number)
  const at = least.findIndex((number, at) => number !== numbers[at])
  return at === -1 || numbers[at] > least[at]
}

const LOCAL = /^[a-z]+:\/\/(localhost|127\.[\d.]+|\[::1\])(:|\/|$)/

function postgres({ diagnostics, database: { place }, connections }) {
  const { database, schema, isolation, encrypted } = diagnostics
  const where = `database ${database}, schema ${schema}`
  return [
    ok('timestamps', 'columns of type timestamp'),
    ok(
      'server',
      `${where}; transactions are ${isolation} by default; media-credits writes at READ COMMITTED`,
    ),
    ...most(connections),
    durability(diagnostics, LOCAL.test(place)),
    ...privileges(diagnostics),
    encryption(encrypted, place, 'add ?sslmode=require'),
  ]
}

function libsql({ diagnostics, database: { place }, connections }) {
  const { host, timestampUnit, encrypted } = diagnostics
  return [
    timestamps(timestampUnit),
    ok('server', `libSQL at ${host}; no transaction is held across the network`),
    writesOnLibsql(diagnostics),
    ...most(connections),
    encryption(encrypted, place, 'use a libsql: or https: URL without tls=0'),
  ]
}

function writesOnLibsql({ host, answersWrites, writeRefusal }) {
  if (writeRefusal) {
    const { code, message, retryable } = writeRefusal
    const refused = `${host} refuses an empty write transaction: ${message}`
    const named = refused.includes(code) ? refused : `${refused} (${code})`
    // Another client may hold the lock at this moment.
    return retryable ? warning('writes', `${named}. Run doctor again`) : problem('writes', named)
  }
  return answersWrites ? ok('writes', 'the server begins and ends a write transaction') : wedged(host)
}

const wedged = (host) =>
  problem(
    'writes',
    `${host} answers reads, but has not answered an empty write transaction in five seconds: another client ` +
      'holds the write lock for long, or the server has stopped writing, a known fault of sqld. Run doctor again; if the ' +
      'result is the same, restart the server, or ask Turso to do so if Turso hosts it',
  )

function mysql({ diagnostics, database: { place }, connections }) {
  const { database, isolation, encrypted, durability, readOnly, binlogFormat, timeZone } = diagnostics
  return [
    ok('timestamps', 'columns of type timestamp or datetime, in UTC'),
    ...zone(timeZone),
    ...writes(readOnly, binlogFormat),
    ok(
      'server',
      `database ${database}; transactions are ${isolation} by default; media-credits writes at READ COMMITTED`,
    ),
    ...most(connections),
    durabilityOnMysql(durability, LOCAL.test(place)),
    ...privileges(diagnostics),
    encryption(encrypted, place, 'add ?ssl={"rejectUnauthorized":true}, which mysql2 reads too'),
  ]
}

function writes(readOnly, binlogFormat) {
  if (readOnly)
    return [
      problem(
        'writes',
        'the server is read-only (read_only): DATABASE_URL must name one that accepts writes',
      ),
    ]
  if (binlogFormat !== 'STATEMENT') return []
  return [
    problem(
      'writes',
      'binlog_format is STATEMENT, with which the server refuses writes at READ COMMITTED: set it to ROW or MIXED',
    ),
  ]
}

const UTC = /^((Etc\/)?(UTC|UCT|GMT|Universal|Zulu)|[+-]00:00)$/i

/** Values of a `timestamp` are stored by the session's zone, so a change of the zone changes how they are read. */
function zone(timeZone) {
  if (!timeZone || UTC.test(timeZone)) return []
  return [
    warning(
      'time zone',
      `the server's time zone is ${timeZone}, but Drizzle and media-credits write UTC: times that the server fills in ` +
        '(DEFAULT now(), ON UPDATE CURRENT_TIMESTAMP) differ from theirs by its offset, and a timestamp can not hold ' +
        "the hour that summer time skips. Set default_time_zone to '+00:00' before the first row is written; later " +
        'that shifts every timestamp, so first move those columns to datetime',
    ),
  ]
}

function durabilityOnMysql({ flushLogAtCommit }, isLocal) {
  const kept = 'a commit is on the disk before its reply is sent'
  if (flushLogAtCommit === 1 || flushLogAtCommit === 3) return ok('durability', kept)
  const found = `innodb_flush_log_at_trx_commit is ${flushLogAtCommit}. A crash of the server's machine can lose acknowledged commits`
  if (isLocal) return ok('durability', `${found}: on this machine that is fine for development`)
  return warning('durability', `${found}, unless the service keeps commits elsewhere`)
}

const most = (connections) =>
  connections ? [ok('connections', `at most ${connections.most} (${connections.source})`)] : []

function encryption(encrypted, place, cure) {
  if (encrypted) return ok('encryption', 'the connection is encrypted')
  if (LOCAL.test(place)) return ok('encryption', 'the server is on this machine')
  return warning('encryption', `the connection is not encrypted: ${cure}, unless the network is private`)
}

/** The server's settings that decide whether a confirmed commit survives a crash. */
function durability({ durability: { fsync, fullPageWrites, synchronousCommit } = {} }, isLocal) {
  const off = Object.entries({ fsync, full_page_writes: fullPageWrites }).filter(
    ([, value]) => value === false,
  )
  if (off.length > 0) {
    const turnedOff = `turned off on the server: ${listed(off.map(([name]) => name))}`
    const risk = 'A crash of its machine can lose acknowledged commits, and damage the database'
    if (isLocal)
      return ok('durability', `${turnedOff}. ${risk}: on this machine that is fine for development`)
    return warning(
      'durability',
      `${turnedOff}. ${risk}, unless the service keeps commits elsewhere, as Neon does`,
    )
  }
  const kept = 'a commit is on the disk before its reply is sent'
  if (synchronousCommit !== 'off') return ok('durability', kept)
  return ok('durability', `${kept}: synchronous_commit is off by default, and turned on for each write`)
}

/** The role's privileges. Tasks and free trials, which update `user`, are optional. */
function privileges({ lacks = [] }) {
  const isNeeded = ({ table, command }) => table === 'credit' || (table === 'user' && command === 'SELECT')
  const trials = "freeTrialLimit can't be used"
  return lacks.map(({ table, command, message }) => {
    if (table === 'user' && command === 'UPDATE') return ok('privileges', `${trials}: ${message}`)
    return isNeeded({ table, command }) ? problem('privileges', message) : warning('privileges', message)
  })
}

module.exports = { checks }
