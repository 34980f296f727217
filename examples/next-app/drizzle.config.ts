import { loadEnvConfig } from '@next/env'
import { defineConfig } from 'drizzle-kit'
import { database } from './src/config/database'

// What Next.js reads: .env.local goes before .env.
loadEnvConfig(process.cwd())
const { url, authToken, isPostgres, isMysql, schema } = database()

export default defineConfig({
  dialect: isPostgres ? 'postgresql' : isMysql ? 'mysql' : url.startsWith('file:') ? 'sqlite' : 'turso',
  schema: `./src/config/db/schema.${isPostgres ? 'postgres' : isMysql ? 'mysql' : 'sqlite'}.ts`,
  schemaFilter: [schema],
  dbCredentials: { url, authToken },
  // Shows what it is about to do, and asks: the database may have tables that are not in the schema.
  verbose: true,
  strict: true,
})
