import { defineConfig } from 'drizzle-kit'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'

if (existsSync('.env')) process.loadEnvFile('.env')
// As src/core/db reads them.
const url = process.env.DATABASE_URL || 'file:data/local.db'
const provider = process.env.DATABASE_PROVIDER || (/^postgres(ql)?:/.test(url) ? 'postgresql' : 'sqlite')
const postgres = provider === 'postgresql'

if (!postgres) mkdirSync(path.dirname(url.replace(/^file:(\/\/)?/, '')), { recursive: true })

export default defineConfig({
  dialect: postgres ? 'postgresql' : 'sqlite',
  schema: `./src/config/db/schema.${postgres ? 'postgres' : 'sqlite'}.ts`,
  dbCredentials: { url },
  // Shows what it is about to do, and asks: the database may have tables that are not in the schema.
  verbose: true,
  strict: true,
})
