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

/** The app's own client, beside media-credits on the same database. */

const { url, authToken, isPostgres, isMysql } = database()

type Database = LibSQLDatabase<Record<string, never>>
/** What `db().transaction(async (tx) => …)` passes. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

// The schemas have the same columns and rows, so one type does for all.
const serverSchema = (isPostgres ? postgresSchema : mysqlSchema) as unknown as typeof sqliteSchema
const schema = isPostgres || isMysql ? serverSchema : sqliteSchema

export const { user, credit } = schema

// A development server evaluates this module anew with each change, but keeps what is global.
const kept = globalThis as { database?: Database }

/** Opens the database at the first call: `next build` imports every route, where there may be none. */
export function db(): Database {
  return (kept.database ??= isPostgres ? openPostgres() : isMysql ? openMysql() : openLibsql())
}

function openLibsql(): Database {
  // A file or a server. With a file it waits for a lock as media-credits does. Before 0.17.4 the client ignores this: docs/locking.md.
  return drizzleLibsql({ client: createClient({ url, authToken, timeout: 5000 }) })
}

function openPostgres(): Database {
  // Without prepared statements, because a pooler may be in between.
  return drizzlePostgres({ client: postgres(url, { prepare: false }) }) as unknown as Database
}

function openMysql(): Database {
  return drizzleMysql({ client: createPool(url) }) as unknown as Database
}
