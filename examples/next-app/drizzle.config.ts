import { loadEnvConfig } from '@next/env'
import { defineConfig } from 'drizzle-kit'
import { database } from './src/config/database'

// What Next.js reads: .env.local goes before .env.
loadEnvConfig(process.cwd())
const { url, authToken, isPostgres, schema } = database()

export default defineConfig({
  dialect: isPostgres ? 'postgresql' : url.startsWith('file:') ? 'sqlite' : 'turso',
  schema: `./src/config/db/schema.${isPostgres ? 'postgres' : 'sqlite'}.ts`,
  schemaFilter: [schema],
  dbCredentials: { url, authToken },
  // Shows what it is about to do, and asks: the database may have tables that are not in the schema.
  verbose: true,
  strict: true,
})
