import { loadEnvConfig } from '@next/env'
import { defineConfig } from 'drizzle-kit'
import { database } from './src/config/database'

// Reads the same files as Next.js: .env.local overrides .env.
loadEnvConfig(process.cwd())
const { url, authToken, isPostgres, isMysql, schema } = database()

export default defineConfig({
  dialect: isPostgres ? 'postgresql' : isMysql ? 'mysql' : url.startsWith('file:') ? 'sqlite' : 'turso',
  schema: `./src/config/db/schema.${isPostgres ? 'postgres' : isMysql ? 'mysql' : 'sqlite'}.ts`,
  schemaFilter: [schema],
  dbCredentials: { url, authToken },
  // Shows the statements and asks first: the database may have tables that the schema lacks.
  verbose: true,
  strict: true,
})
