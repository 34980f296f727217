'use strict'

const { addDependency } = require('../../../cli/adopt/dependency')
const { newErrors, readErrors } = require('../../../cli/adopt/compiler')
const { addServerExternalPackage } = require('../../../cli/adopt/next-config')
const { addCreditIds, tablesOf, variablesOf } = require('../../../cli/adopt/schema')
const { appOf } = require('./apps')

/** The text of an app's file after a step. */
function after(files, name, step) {
  const app = appOf(files)
  step(app)
  expect(app.changed.map(({ path }) => path).filter((path) => path !== name)).toEqual([])
  return app.source(name).rewritten()
}

describe('the dependency', () => {
  const packageAfter = (text) =>
    after({ 'package.json': text }, 'package.json', (app) => addDependency(app, '^1.0.0'))

  test.each([
    [
      'in alphabetical order',
      '{\n  "dependencies": {\n    "a": "1",\n    "next": "16"\n  }\n}\n',
      '{\n  "dependencies": {\n    "a": "1",\n    "media-credits": "^1.0.0",\n    "next": "16"\n  }\n}\n',
    ],
    [
      'after a byte order mark',
      '\uFEFF{\n  "dependencies": {\n    "a": "1"\n  }\n}\n',
      '\uFEFF{\n  "dependencies": {\n    "a": "1",\n    "media-credits": "^1.0.0"\n  }\n}\n',
    ],
    [
      'at the end',
      '{\n\t"dependencies": {\n\t\t"a": "1"\n\t}\n}\n',
      '{\n\t"dependencies": {\n\t\t"a": "1",\n\t\t"media-credits": "^1.0.0"\n\t}\n}\n',
    ],
    [
      'at the end of an unordered list',
      '{\r\n  "dependencies": {\r\n    "z": "1",\r\n    "a": "1"\r\n  }\r\n}\r\n',
      '{\r\n  "dependencies": {\r\n    "z": "1",\r\n    "a": "1",\r\n    "media-credits": "^1.0.0"\r\n  }\r\n}\r\n',
    ],
    [
      'in one line',
      '{ "dependencies": { "z": "1" } }',
      '{ "dependencies": { "media-credits": "^1.0.0", "z": "1" } }',
    ],
    ['as the first', '{ "dependencies": {} }', '{ "dependencies": { "media-credits": "^1.0.0" } }'],
    [
      'without other dependencies',
      '{\n  "name": "a"\n}',
      '{\n  "name": "a",\n  "dependencies": { "media-credits": "^1.0.0" }\n}',
    ],
    [
      'in place of one for development',
      '{ "dependencies": {}, "devDependencies": { "a": "1", "media-credits": "0.1.0" } }',
      '{ "dependencies": { "media-credits": "^1.0.0" }, "devDependencies": { "a": "1" } }',
    ],
    [
      'only if it is not there',
      '{ "dependencies": { "media-credits": "0.1.0" } }',
      '{ "dependencies": { "media-credits": "0.1.0" } }',
    ],
  ])('is added %s', (_, before, expected) => {
    expect(packageAfter(before)).toBe(expected)
    expect(() => JSON.parse(expected.replace(/^\uFEFF/, ''))).not.toThrow()
  })
})

describe('next.config', () => {
  const configAfter = (text, name = 'next.config.mjs') =>
    after({ [name]: text }, name, (app) => addServerExternalPackage(app))

  test.each([
    [
      'an object',
      'export default { output: "export" }\n',
      'export default { output: "export", serverExternalPackages: ["media-credits"] }\n',
    ],
    [
      'a variable',
      'const nextConfig = {\n  images: {},\n};\n\nexport default nextConfig;\n',
      "const nextConfig = {\n  images: {},\n  serverExternalPackages: ['media-credits'],\n};\n\nexport default nextConfig;\n",
    ],
    [
      'no comma at the end, and CRLF',
      'const nextConfig = {\r\n\timages: {}\r\n}\r\nexport default nextConfig\r\n',
      "const nextConfig = {\r\n\timages: {},\r\n\tserverExternalPackages: ['media-credits']\r\n}\r\nexport default nextConfig\r\n",
    ],
    [
      'only a comment',
      "import type { NextConfig } from 'next';\n\nconst nextConfig: NextConfig = {\n  /* options */\n};\n\nexport default nextConfig;\n",
      "import type { NextConfig } from 'next';\n\nconst nextConfig: NextConfig = {\n  /* options */\n  serverExternalPackages: ['media-credits'],\n};\n\nexport default nextConfig;\n",
    ],
    ['nothing', 'module.exports = {}\n', "module.exports = { serverExternalPackages: ['media-credits'] }\n"],
    [
      'plugins around it',
      'const nextConfig = { images: {} }\nexport default withA({ on: true })(withB(nextConfig, { silent: true }))\n',
      "const nextConfig = { images: {}, serverExternalPackages: ['media-credits'] }\nexport default withA({ on: true })(withB(nextConfig, { silent: true }))\n",
    ],
    [
      'an object within plugins',
      'module.exports = withA(withB({ images: {} }), { silent: true })\n',
      "module.exports = withA(withB({ images: {}, serverExternalPackages: ['media-credits'] }), { silent: true })\n",
    ],
    [
      'a list of plugins',
      'const nextConfig = { images: {} }\nmodule.exports = withPlugins([a, [b, { on: true }]], nextConfig)\n',
      "const nextConfig = { images: {}, serverExternalPackages: ['media-credits'] }\nmodule.exports = withPlugins([a, [b, { on: true }]], nextConfig)\n",
    ],
    [
      'a function',
      'export default async (phase) => {\n  const config = { images: {} }\n  if (phase === 1) return { ...config, output: 1 }\n  return config\n}\n',
      "export default async (phase) => {\n  const config = { images: {}, serverExternalPackages: ['media-credits'] }\n  if (phase === 1) return { ...config, output: 1, serverExternalPackages: ['media-credits'] }\n  return config\n}\n",
    ],
    [
      'a function with a name',
      'export default function config() {\n  return { images: {} }\n}\n',
      "export default function config() {\n  return { images: {}, serverExternalPackages: ['media-credits'] }\n}\n",
    ],
    [
      'a function that is called',
      'function made() {\n  return { images: {} }\n}\nexport default withA(made())\n',
      "function made() {\n  return { images: {}, serverExternalPackages: ['media-credits'] }\n}\nexport default withA(made())\n",
    ],
    [
      'one of two objects',
      'export default process.env.A ? { images: {} } : { output: 1 }\n',
      "export default process.env.A ? { images: {}, serverExternalPackages: ['media-credits'] } : { output: 1, serverExternalPackages: ['media-credits'] }\n",
    ],
    [
      'an existing list',
      "export default {\n  serverExternalPackages: [\n    'sharp',\n  ],\n}\n",
      "export default {\n  serverExternalPackages: [\n    'sharp',\n    'media-credits',\n  ],\n}\n",
    ],
    [
      'a list with a name',
      "const externals = ['sharp']\nexport default { serverExternalPackages: externals }\n",
      "const externals = ['sharp', 'media-credits']\nexport default { serverExternalPackages: externals }\n",
    ],
    [
      'a list that is set later',
      "const config = { images: {} }\nconfig.serverExternalPackages = ['sharp']\nexport default config\n",
      "const config = { images: {} }\nconfig.serverExternalPackages = ['sharp', 'media-credits']\nexport default config\n",
    ],
    [
      'a list that comes with a spread',
      "const base = { serverExternalPackages: ['sharp'] }\nexport default { ...base, images: {} }\n",
      "const base = { serverExternalPackages: ['sharp', 'media-credits'] }\nexport default { ...base, images: {} }\n",
    ],
    [
      'a spread of another file',
      "import base from './base.mjs'\nexport default { ...base, images: {} }\n",
      "import base from './base.mjs'\nexport default { ...base, images: {}, serverExternalPackages: [...(base.serverExternalPackages ?? []), 'media-credits'] }\n",
    ],
    [
      'an object that satisfies a type',
      "import type { NextConfig } from 'next'\nconst made = {} satisfies NextConfig\nexport { made as default }\n",
      "import type { NextConfig } from 'next'\nconst made = { serverExternalPackages: ['media-credits'] } satisfies NextConfig\nexport { made as default }\n",
    ],
    [
      'a list that has it',
      "export default { serverExternalPackages: ['media-credits'] }\n",
      "export default { serverExternalPackages: ['media-credits'] }\n",
    ],
  ])('names the package, given %s', (_, before, expected) => {
    const name = before.includes('import type') ? 'next.config.ts' : 'next.config.mjs'
    expect(configAfter(before, name)).toBe(expected)
    expect(configAfter(expected, name)).toBe(expected)
  })

  test('is made if there is none', () => {
    expect(after({}, 'next.config.mjs', addServerExternalPackage)).toBe(
      "const nextConfig = { serverExternalPackages: ['media-credits'] }\n\nexport default nextConfig\n",
    )
  })

  test('that was changed by hand in another file needs no change', () => {
    const files = {
      'next.config.mjs': "import made from './made.mjs'\nexport default made\n",
      'made.mjs': "export default { serverExternalPackages: ['media-credits'] }\n",
    }
    expect(after(files, 'next.config.mjs', addServerExternalPackage)).toBe(files['next.config.mjs'])
  })

  test.each([
    ['no export', 'const nextConfig = {}\n', 'its export is missing or unclear'],
    [
      'two that look alike',
      'export default merge({ images: {} }, { output: 1 })\n',
      'more than one argument looks like',
    ],
    [
      'only options of a plugin',
      'export default withA({ on: true })\n',
      'the configuration object was not found',
    ],
    [
      'a return that can not be analysed',
      'export default () => {\n  if (a) return made()\n  return {}\n}\n',
      'the configuration object was not found',
    ],
    [
      'a list that is computed',
      'export default { serverExternalPackages: list() }\n',
      'not an array literal',
    ],
  ])('refuses %s', (_, text, why) => {
    expect(() => configAfter(text)).toThrow(why)
  })
})

describe('the schema', () => {
  const NAME = 'src/schema.ts'
  const schemaAfter = (text) => after({ [NAME]: text }, NAME, (app) => addCreditIds(app, tablesOf(app)))

  test.each([
    [
      'a separate line',
      "import { pgTable, text } from 'drizzle-orm/pg-core';\nexport const jobs = pgTable('media_tasks', {\n  id: text('id'), // its id\n});\n",
      "import { pgTable, text } from 'drizzle-orm/pg-core';\nexport const jobs = pgTable('media_tasks', {\n  id: text('id'), // its id\n  creditId: text('credit_id'),\n});\n",
    ],
    [
      'tabs, and no comma',
      "import { sqliteTable, text } from 'drizzle-orm/sqlite-core'\nexport const a = sqliteTable('ai_task', {\n\tid: text('id')\n})\n",
      "import { sqliteTable, text } from 'drizzle-orm/sqlite-core'\nexport const a = sqliteTable('ai_task', {\n\tid: text('id'),\n\tcreditId: text('credit_id')\n})\n",
    ],
    [
      'a function of columns',
      'import { pgTable } from "drizzle-orm/pg-core"\nexport const a = pgTable("ai_task", (t) => ({ id: t.text().primaryKey() }))\n',
      'import { pgTable } from "drizzle-orm/pg-core"\nexport const a = pgTable("ai_task", (t) => ({ id: t.text().primaryKey(), creditId: t.text() }))\n',
    ],
    [
      'a schema of PostgreSQL',
      "import { pgSchema, text } from 'drizzle-orm/pg-core'\nconst app = pgSchema('app')\nexport const a = app.table('ai_task', { id: text('id') })\n",
      "import { pgSchema, text } from 'drizzle-orm/pg-core'\nconst app = pgSchema('app')\nexport const a = app.table('ai_task', { id: text('id'), creditId: text('credit_id') })\n",
    ],
    [
      'a table of MySQL',
      "import { mysqlTable, varchar } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', { id: varchar('id', { length: 191 }) })\n",
      "import { mysqlTable, varchar } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', { id: varchar('id', { length: 191 }), creditId: varchar('credit_id', { length: 191 }) })\n",
    ],
    [
      'MySQL, where varchar is not imported, for two tables',
      "import {\n  mysqlTable,\n  text,\n} from 'drizzle-orm/mysql-core';\nexport const a = mysqlTable('ai_task', { id: text('id') });\nexport const b = mysqlTable('media_tasks', { id: text('id') });\n",
      "import {\n  mysqlTable,\n  text,\n  varchar,\n} from 'drizzle-orm/mysql-core';\nexport const a = mysqlTable('ai_task', { id: text('id'), creditId: varchar('credit_id', { length: 191 }) });\nexport const b = mysqlTable('media_tasks', { id: text('id'), creditId: varchar('credit_id', { length: 191 }) });\n",
    ],
    [
      'MySQL, a varchar of another name',
      "import { mysqlTable, varchar as chars } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', { id: chars('id', { length: 9 }) })\n",
      "import { mysqlTable, varchar as chars } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', { id: chars('id', { length: 9 }), creditId: chars('credit_id', { length: 191 }) })\n",
    ],
    [
      'MySQL, a namespace',
      "import * as m from 'drizzle-orm/mysql-core'\nexport const a = m.mysqlTable('ai_task', { id: m.text('id') })\n",
      "import * as m from 'drizzle-orm/mysql-core'\nexport const a = m.mysqlTable('ai_task', { id: m.text('id'), creditId: m.varchar('credit_id', { length: 191 }) })\n",
    ],
    [
      'MySQL, a function of columns',
      "import { mysqlTable } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', (t) => ({ id: t.varchar({ length: 191 }) }))\n",
      "import { mysqlTable } from 'drizzle-orm/mysql-core'\nexport const a = mysqlTable('ai_task', (t) => ({ id: t.varchar({ length: 191 }), creditId: t.varchar({ length: 191 }) }))\n",
    ],
    ...[
      [
        'a column under another name',
        "pgTable('ai_task', { id: text('id'), charge: text('credit_id').references(() => b.id) })",
      ],
      ['a column without a name of its own', "pgTable('ai_task', { id: text(), creditId: text() })"],
      ['another table', "pgTable('credit', { id: text('id') })"],
      ['SingleStore, which the package does not support', "singlestoreTable('ai_task', { id: text('id') })"],
    ].map(([title, table]) => {
      const text = `import { text } from 'drizzle-orm/pg-core'\nexport const a = ${table}\n`
      return [title, text, text]
    }),
  ])('has a column for the charge of each task, given %s', (_, before, expected) => {
    expect(schemaAfter(before)).toBe(expected)
    expect(schemaAfter(expected)).toBe(expected)
  })

  test('refuses a table without a column of text', () => {
    const text =
      "import { pgTable } from 'drizzle-orm/pg-core'\nexport const a = pgTable('ai_task', { id: uuid('id') })\n"
    expect(() => schemaAfter(text)).toThrow('src/schema.ts:2: ai_task has no column that text() defines')
  })

  test('refuses a table of MySQL without varchar', () => {
    const text =
      "import { mysqlTable, text } from './core'\nexport const a = mysqlTable('ai_task', { id: text('id') })\n"
    expect(() => schemaAfter(`${text}// drizzle-orm\n`)).toThrow(
      'src/schema.ts:2: ai_task has nothing imported from drizzle-orm/mysql-core',
    )
  })

  test('lists a table whose columns can not be analysed', () => {
    const text =
      "import { pgTable } from 'drizzle-orm/pg-core'\nexport const a = pgTable('ai_task', columns)\n"
    const app = appOf({ [NAME]: text })
    expect(addCreditIds(app, tablesOf(app))).toEqual({
      isChanged: false,
      notes: [
        {
          path: NAME,
          line: 2,
          message:
            "the columns of ai_task are not an object literal: check that it has creditId: text('credit_id')",
        },
      ],
    })
  })

  test('finds a table by its variable', () => {
    const text = "import { pgTable } from 'drizzle-orm/pg-core'\nexport const coins = pgTable('credit', {})\n"
    expect(variablesOf(tablesOf(appOf({ [NAME]: text })))).toMatchObject({
      coins: 'credit',
      aiTask: 'ai_task',
    })
  })
})

describe('the compiler', () => {
  const errors = readErrors(`src/a.ts(1,2): error TS2304: Cannot find name 'a'.
  Did you mean b?
src/a.ts(9,2): error TS2304: Cannot find name 'a'.
error TS18003: No inputs were found.
Found 3 errors.`)

  test('is read line by line', () => {
    expect(errors).toEqual([
      { path: 'src/a.ts', line: 1, message: "error TS2304: Cannot find name 'a'." },
      { path: 'src/a.ts', line: 9, message: "error TS2304: Cannot find name 'a'." },
      { message: 'error TS18003: No inputs were found.' },
    ])
  })

  test('has a new error if there is one more of a kind, on any line', () => {
    const [first, second, other] = errors
    const moved = { ...first, line: 4 }
    expect(newErrors(errors, [moved, second, other])).toEqual([])
    expect(newErrors([first, other], [moved, second, other])).toEqual([second])
    expect(newErrors([], errors)).toEqual(errors)
    expect(newErrors([first], [{ ...first, path: 'src/b.ts' }])).toEqual([{ ...first, path: 'src/b.ts' }])
  })
})
