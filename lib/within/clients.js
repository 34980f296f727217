'use strict'

/**
 * How the clients that apps use run a statement without parameters in their transaction. Each is recognized
 * by its shape, so that none is a dependency.
 */

const { errorOf, invalidArgument } = require('../errors.js')
const { UNREADABLE, look } = require('../fields.js')
const { textOf: jsonOf } = require('../wire.js')

/** The property that Drizzle's own `is()` reads. */
const DRIZZLE = Symbol.for('drizzle:entityKind')

const isFunction = (value) => typeof value === 'function'

/** The rows in a client's result: a list, or an object with a list. */
const rowsOf = (returned) => (Array.isArray(returned) ? returned : returned?.rows)

function onlyText(row) {
  const [value] = Object.values(row ?? {})
  return Buffer.isBuffer(value) ? value.toString('utf8') : value
}

/** The same of a row of mysql2, which may nest it in its table (`nestTables`). */
function onlyNestedText(row) {
  const value = onlyText(row)
  return typeof value === 'object' ? onlyText(value) : value
}

/**
 * A row, as native code reads it. On PostgreSQL and MySQL it has one column of text, under any name, so that
 * a client's conversion of other types does not matter. SQLite's clients do not convert values.
 */
const textOf = {
  postgres: onlyText,
  mysql: onlyNestedText,
  sqlite: (row) => jsonOf(Object.values(row ?? {}).map(encodeCell)),
}

function encodeCell(value) {
  if (typeof value === 'bigint') return { $integer: String(value) }
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString('hex') }
  if (ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex') }
  }
  return value ?? null
}

/** `SQLiteAsyncDialect`, and its names in other versions. */
function drizzleDialect(kind) {
  if (kind.startsWith('SQLite')) return 'sqlite'
  if (kind.startsWith('MySql')) return 'mysql'
  return kind.startsWith('Pg') ? 'postgres' : kind
}

const QUERY_ID = { queryId: 'media-credits' }

/** What Kysely writes for each database. Bundlers change the names of its classes. */
const KYSELY = { '"a"$1': 'postgres', '`a`?': 'mysql', '"a"?': 'sqlite' }
const KYSELY_SAMPLE = {
  kind: 'RawNode',
  sqlFragments: ['', '', ''],
  parameters: [
    { kind: 'IdentifierNode', name: 'a' },
    { kind: 'ValueNode', value: 1 },
  ],
}

function kyselyDialect(tx) {
  const { sql } = tx.getExecutor().compileQuery(KYSELY_SAMPLE, QUERY_ID)
  return KYSELY[sql] ?? `Kysely on a database with ${sql}`
}

const asText = (field) => field.string()

const FOUND_ROWS = 2

/**
 * Whether a connection counts the rows that an UPDATE finds, which is mysql2's default. Otherwise a row that stays as it
 * is would look like one that is missing.
 */
function countsFound(client) {
  const { clientFlags } = client?.connection?.config ?? client?.config ?? {}
  return clientFlags === undefined || (clientFlags & FOUND_ROWS) !== 0
}

const NOT_FOUND = 'a connection of mysql2 without the flag FOUND_ROWS: remove it from `flags`'

/** mysql2 returns rows and columns; Drizzle returns its client's result. */
const rowsOnMysql = (returned) => (Array.isArray(returned) ? returned[0] : returned?.rows)

/** Any other client: `within({ dialect, query })`. */
const OWN = {
  is: (tx) => isFunction(tx.query) && typeof tx.dialect === 'string',
  dialect: (tx) => tx.dialect,
  run: async (tx, statement) => rowsOf(await tx.query(statement, [])),
}

/** Not on SQLite, where it converts values by the declared type of their column. */
const PRISMA = { postgresql: 'postgres', postgres: 'postgres' }

const isDrizzle = (tx) =>
  isFunction(tx.execute ?? tx.values) && tx.dialect?.constructor?.[DRIZZLE] !== undefined

/** A transaction has `rollback`; a database object does not. */
const canRollBack = (tx) => isFunction(tx.rollback)

const isLibsql = (tx) => isFunction(tx?.execute) && isFunction(tx.batch)
const isOpen = (tx) => isFunction(tx.commit) && tx.closed !== true
const runOnLibsql = async (tx, statements) => (await tx.batch(statements)).map(rowsOf)

/** postgres.js sends a statement before the previous one is answered. */
const runOnPostgresJs = (sql, statement) => sql.unsafe(statement).raw()

const CLIENTS = [
  OWN,
  // Prisma's interactive transaction has no `$connect`. A model may be named like any other property here.
  {
    is: (tx) => isFunction(tx.$queryRawUnsafe),
    isWithin: (tx) => !isFunction(tx.$connect),
    dialect: (tx) => PRISMA[tx._activeProvider] ?? `Prisma on ${tx._activeProvider}`,
    run: async (tx, statement) => rowsOf(await tx.$queryRawUnsafe(statement)),
  },
  // Drizzle over libSQL, which runs several statements at once.
  {
    is: (tx) => isDrizzle(tx) && isLibsql(tx.session?.tx),
    isWithin: (tx) => isOpen(tx.session.tx),
    dialect: () => 'sqlite',
    runAll: (tx, statements) => runOnLibsql(tx.session.tx, statements),
    pipelines: true,
  },
  // Drizzle over postgres.js.
  {
    is: (tx) => isDrizzle(tx) && isFunction(tx.session?.client?.unsafe),
    isWithin: canRollBack,
    dialect: () => 'postgres',
    run: (tx, statement) => runOnPostgresJs(tx.session.client, statement),
    pipelines: true,
  },
  // Drizzle.
  {
    is: isDrizzle,
    isWithin: canRollBack,
    dialect: (tx) => drizzleDialect(tx.dialect.constructor[DRIZZLE]),
    isSynchronous: (tx) => tx.resultKind === 'sync',
    refusal: (tx) => (countsFound(tx.session?.client) ? undefined : NOT_FOUND),
    async run(tx, statement) {
      if (drizzleDialect(tx.dialect.constructor[DRIZZLE]) === 'mysql')
        return rowsOnMysql(await tx.execute(statement))
      return rowsOf(await (isFunction(tx.values) ? tx.values(statement) : tx.execute(statement)))
    },
  },
  // libSQL: `client.transaction('write')`.
  {
    is: isLibsql,
    isWithin: isOpen,
    dialect: () => 'sqlite',
    runAll: runOnLibsql,
    pipelines: true,
  },
  // postgres.js: `sql.begin(async (tx) => …)`.
  {
    is: (tx) => isFunction(tx) && isFunction(tx.unsafe),
    isWithin: (tx) => isFunction(tx.savepoint),
    dialect: () => 'postgres',
    run: runOnPostgresJs,
    pipelines: true,
  },
  // Kysely.
  {
    is: (tx) => isFunction(tx.executeQuery) && isFunction(tx.getExecutor),
    isWithin: (tx) => tx.isTransaction === true,
    dialect: kyselyDialect,
    run: async (tx, statement) =>
      rowsOf(
        await tx.executeQuery({
          query: { kind: 'RawNode', sqlFragments: [statement], parameters: [] },
          queryId: QUERY_ID,
          sql: statement,
          parameters: [],
        }),
      ),
  },
  // better-sqlite3, `node:sqlite`. Cloudflare's D1 has `batch`.
  {
    is: (tx) => isFunction(tx.prepare) && isFunction(tx.exec) && !isFunction(tx.batch),
    dialect: () => 'sqlite',
    isSynchronous: () => true,
  },
  // mysql2: a connection after `beginTransaction()`. A pool has `getConnection`.
  {
    is: (tx) =>
      isFunction(tx.query) && isFunction(tx.execute) && isFunction(tx.beginTransaction ?? tx.getConnection),
    isWithin: (tx) => isFunction(tx.beginTransaction),
    dialect: () => 'mysql',
    refusal: (tx) => (countsFound(tx) ? undefined : NOT_FOUND),
    // Without the app's conversions of rows and values, and of names in the statement.
    run: async (tx, sql) =>
      rowsOnMysql(
        await (isFunction(tx.promise) ? tx.promise() : tx).query({
          sql,
          values: [],
          rowsAsArray: true,
          nestTables: false,
          typeCast: asText,
        }),
      ),
  },
  // node-postgres: a client inside BEGIN. A pool has `totalCount`.
  {
    is: (tx) => isFunction(tx.query) && isFunction(tx.connect),
    isWithin: (tx) => tx.totalCount === undefined,
    dialect: () => 'postgres',
    run: async (tx, statement) =>
      rowsOf(await tx.query({ text: statement, rowMode: 'array', types: { getTypeParser: () => String } })),
  },
]

/** How to run statements in the transaction `tx`, or the error that says why not. */
function clientOf(method, tx) {
  // An object may throw when it is inspected.
  const found = look(() => describe(tx))
  if (found === undefined || found === UNREADABLE) throw invalidArgument(method, 'tx', TRANSACTION, tx)
  const { client, dialect, isWithin, isSynchronous, refusal } = found
  if (!isWithin) throw errorOf(method, NOT_IN_TRANSACTION)
  if (!Object.hasOwn(textOf, dialect)) throw notSupported(method, `transactions of ${dialect}`)
  if (isSynchronous) throw notSupported(method, SYNCHRONOUS)
  if (refusal) throw notSupported(method, refusal)
  const pipelines = client.pipelines === true
  const runAll = client.runAll ?? (pipelines ? atOnce : inTurn)(client.run)
  return {
    dialect,
    pipelines,
    run: async (statements) => (await runAll(tx, statements)).map((rows) => textsOf(rows, dialect)),
  }
}

const atOnce = (run) => (tx, statements) => Promise.all(statements.map((statement) => run(tx, statement)))

const inTurn = (run) => async (tx, statements) => {
  const rows = []
  for (const statement of statements) rows.push(await run(tx, statement))
  return rows
}

/** The rows of a statement, as native code reads them. Rows that are not text are invalid. */
function textsOf(rows, dialect) {
  if (!Array.isArray(rows)) return []
  return rows.map(textOf[dialect]).filter((text) => typeof text === 'string')
}

/** The client and dialect of a transaction; `undefined` if it is unknown. */
function describe(tx) {
  const isObject = (typeof tx === 'object' && tx !== null) || isFunction(tx)
  const client = isObject ? CLIENTS.find(({ is }) => is(tx)) : undefined
  if (!client) return undefined
  return {
    client,
    dialect: client.dialect(tx),
    isWithin: client.isWithin?.(tx) ?? true,
    isSynchronous: client.isSynchronous?.(tx) ?? false,
    refusal: client.refusal?.(tx),
  }
}

/** Whether this object belongs to a known client, in a transaction or not. */
const isTransaction = (tx) => typeof look(() => describe(tx)) === 'object'

const TRANSACTION =
  "a transaction of Drizzle, postgres.js, node-postgres, mysql2, libSQL, Kysely or Prisma, or { dialect: 'postgres', " +
  "'mysql' or 'sqlite', query: async (sql, params) => rows }"

const SYNCHRONOUS =
  'transactions of a synchronous client, whose callback can not wait: begin one with BEGIN IMMEDIATE, pass ' +
  "{ dialect: 'sqlite', query: async (sql) => { const statement = client.prepare(sql); return statement.reader " +
  '=== false ? statement.run() : statement.all() } }, and COMMIT it'

const notSupported = (method, what) =>
  errorOf(method, {
    code: 'TRANSACTION_NOT_SUPPORTED',
    message: `within(tx) does not support ${what}`,
    retryable: false,
    details: { field: 'tx' },
  })

const NOT_IN_TRANSACTION = {
  code: 'NOT_IN_TRANSACTION',
  message:
    "the client is in no transaction; pass the one that its transaction's callback gets, or begin one first",
  retryable: false,
  details: {},
}

/** The client's error for native code, whatever errors a library has wrapped it in. */
function describeError(error) {
  const seen = new Set()
  for (let at = error; at && typeof at === 'object' && !seen.has(at); at = causeOf(at)) {
    seen.add(at)
    const { code, originalCode, errno, sqlState, table, table_name, constraint, constraint_name } = at
    // MySQL's error numbers are more specific than its SQLSTATEs.
    const ofMysql = typeof sqlState === 'string' && Number.isInteger(errno) ? String(errno) : undefined
    const known = ofMysql ?? codeOfNode(at) ?? [originalCode, code].find(isDatabaseCode)
    if (known === undefined) continue
    return {
      code: known,
      message: String(at.originalMessage ?? at.message),
      table: textOrNull(table ?? table_name),
      constraint: textOrNull(constraint?.index ?? constraint ?? constraint_name),
      key: keyOf(at),
    }
  }
  const code = typeof error?.code === 'string' ? error.code : null
  return { code, message: String(error?.message ?? error), table: null, constraint: null, key: null }
}

/**
 * The columns of a duplicate key. PostgreSQL's detail names them in every language; Prisma keeps only the
 * index.
 */
function keyOf({ constraint, detail }) {
  if (typeof constraint?.index === 'string' && constraint.index.endsWith('_pkey')) return 'id'
  return /\(([^)]+)\)=/.exec(String(detail))?.[1] ?? null
}

/** The wrapped error. Prisma has its own property for it. */
const causeOf = ({ cause, meta }) => cause ?? meta?.driverAdapterError ?? meta

/** Names of SQLite's result codes, from 1 on. */
const RESULTS =
  `ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN
  PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB`.split(/\s+/)

/** The result code of `node:sqlite`, which has only its number, as the engine names it: `SQLITE_BUSY 517`. */
function codeOfNode({ code, errcode }) {
  const name = code === 'ERR_SQLITE_ERROR' ? RESULTS[(errcode & 0xff) - 1] : undefined
  if (name === undefined) return undefined
  return errcode > 0xff ? `SQLITE_${name} ${errcode}` : `SQLITE_${name}`
}

/**
 * An SQLSTATE (P2010 is Prisma's), SQLite's name of a result code, or a client's code for an ended
 * transaction.
 */
const isDatabaseCode = (code) =>
  typeof code === 'string' &&
  (/^(?!P[1-9])([0-9A-Z]{5}|SQLITE_\w+)$/.test(code) || ENDED.has(code) || LOST.has(code))

/** Codes of libSQL and of Prisma, and whether the server has ended the transaction by itself. */
const ENDED = new Map([
  ['TRANSACTION_CLOSED', false],
  ['TRANSACTION_TIMEOUT', true],
  ['STREAM_EXPIRED', true],
  ['P2028', false],
])

/** Codes of Node and clients for a lost connection: the transaction was rolled back. */
const LOST = new Set(
  `ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ETIMEDOUT ENETDOWN ENETUNREACH EHOSTUNREACH PROTOCOL_CONNECTION_LOST
  CONNECTION_CLOSED CONNECTION_ENDED CONNECTION_DESTROYED UND_ERR_SOCKET HRANA_CLOSED_ERROR HRANA_WEBSOCKET_ERROR P1017`.split(
    /\s+/,
  ),
)

/** The caller's error for an ended transaction. */
function endOf({ code, message }) {
  if (LOST.has(code)) {
    return {
      code: 'DATABASE_UNAVAILABLE',
      message: `the transaction's connection is lost: ${message} (${code}); repeat the whole transaction`,
      retryable: true,
      details: {},
    }
  }
  if (!ENDED.has(code)) return undefined
  if (!ENDED.get(code)) return NOT_IN_TRANSACTION
  return {
    code: 'DATABASE_BUSY',
    message:
      `the server has rolled back the transaction, which waited too long: ${message}; ` +
      'repeat the whole transaction',
    retryable: true,
    details: {},
  }
}

const textOrNull = (value) => (typeof value === 'string' ? value : null)

module.exports = { NOT_IN_TRANSACTION, clientOf, describeError, endOf, isTransaction }
