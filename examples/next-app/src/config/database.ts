/**
 * The database settings from the environment, for the app's own client and Drizzle Kit. media-credits reads the same
 * variables.
 */
export function database() {
  const { DATABASE_URL: url = '', DATABASE_PROVIDER: provider, DB_SCHEMA: schema } = process.env
  // Of a libSQL server, such as Turso.
  const authToken = process.env.DATABASE_AUTH_TOKEN || undefined
  const isPostgres = provider ? provider === 'postgresql' : /^postgres(ql)?:/.test(url)
  const isMysql = provider ? provider === 'mysql' : /^(mysql2?|mariadb):/.test(url)
  // The default schema is `public`.
  return { url, authToken, isPostgres, isMysql, schema: isPostgres && schema ? schema : 'public' }
}

/** Whether the app is a stock app: without media tasks, and without plans in the `user` table. */
export const isStock = () => process.env.APP_GENERATION === 'stock'

/** Columns that a stock app's tables lack. In a stock app no query may name them. */
export const ofMediaApps = <Columns extends object>(columns: Columns) => (isStock() ? {} : columns) as Columns
