/**
 * Which database the app uses, as the environment says. The app's own client and Drizzle Kit ask here; media-credits
 * reads the same variables itself.
 */
export function database() {
  const { DATABASE_URL: url = '', DATABASE_PROVIDER: provider, DB_SCHEMA: schema } = process.env
  // Turso's.
  const authToken = process.env.DATABASE_AUTH_TOKEN || undefined
  const isPostgres = provider ? provider === 'postgresql' : /^postgres(ql)?:/.test(url)
  const isMysql = provider ? provider === 'mysql' : /^(mysql2?|mariadb):/.test(url)
  // All tables are in `public`, unless they are told otherwise.
  return { url, authToken, isPostgres, isMysql, schema: isPostgres && schema ? schema : 'public' }
}

/** Whether the app is a stock one: without media tasks, and without plans in the table of users. */
export const isStock = () => process.env.APP_GENERATION === 'stock'

/** Columns that a stock app's tables lack. There, nothing may ask for them. */
export const ofMediaApps = <Columns extends object>(columns: Columns) => (isStock() ? {} : columns) as Columns
