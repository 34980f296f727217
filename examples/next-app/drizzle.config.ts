import { defineConfig } from 'drizzle-kit'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'

if (existsSync('.env')) process.loadEnvFile('.env')
const url = process.env.DATABASE_URL ?? 'file:data/local.db'
const postgres = /^postgres(ql)?:/.test(url)

if (!postgres) mkdirSync(path.dirname(url.replace(/^file:(\/\/)?/, '')), { recursive: true })

export default defineConfig({
  dialect: postgres ? 'postgresql' : 'sqlite',
  schema: `./src/config/db/schema.${postgres ? 'postgres' : 'sqlite'}.ts`,
  dbCredentials: { url },
})
