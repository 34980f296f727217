import { createClient } from '@libsql/client'
import { drizzle as drizzleLibsql, type LibSQLDatabase } from 'drizzle-orm/libsql'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle as drizzlePostgres } from 'drizzle-orm/postgres-js'
import { createPool } from 'mysql2'
import postgres from 'postgres'
import { database } from '@/config/database'
import * as mysqlSchema from '@/config/db/schema.mysql'
import * as postgresSchema from '@/config/db/schema.postgres'
import * as sqliteSchema from '@/config/db/schema.sqlite'

/** The app's own client. media-credits uses the same database. */

const { url, authToken, isPostgres, isMysql } = database()

type Database = LibSQLDatabase<Record<string, never>>
/** The `tx` of `db().transaction(async (tx) => …)`. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

// The schemas have the same columns, so one type fits all.
const serverSchema = (isPostgres ? postgresSchema : mysqlSchema) as unknown as typeof sqliteSchema
const schema = isPostgres || isMysql ? serverSchema : sqliteSchema

export const { user, credit } = schema

// A development server evaluates this module again after each change, but keeps globals.
const kept = globalThis as { database?: Database }

/** Opens the database at the first call: `next build` imports every route, possibly without a database. */
export function db(): Database {
  return (kept.database ??= isPostgres ? openPostgres() : isMysql ? openMysql() : openLibsql())
}

function openLibsql(): Database {
  // A file or a server. `timeout` is for a file's locks, as in media-credits; before 0.17.4 it has no effect: docs/locking.md.
  return drizzleLibsql({ client: createClient({ url, authToken, timeout: 5000 }) })
}

function openPostgres(): Database {
  // No prepared statements: a pooler may not support them.
  return drizzlePostgres({ client: postgres(url, { prepare: false }) }) as unknown as Database
}

function openMysql(): Database {
  return drizzleMysql({ client: createPool(url) }) as unknown as Database
}
