'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { cli } = require('../../helpers/cli')
const {
  commit,
  compile,
  folderOf,
  forms,
  git,
  link,
  manifest,
  textsOf,
  typeErrors,
  withBarrel,
} = require('./apps')
const { AI_TASK, CREDIT, MEDIA_TASK, STOCK } = require('./stock')

const FOUND = 1
const TROUBLE = 3

/** An app with a commit, and with packages so that its own tsc runs: `typescript` or `typescript-7`. */
function installed(files, compiler = 'typescript') {
  const root = folderOf({ ...files, '.gitignore': 'node_modules\n' })
  link(root, ['drizzle-orm', '@types/node', 'media-credits', ['typescript', compiler]])
  commit(root)
  return root
}

const IN = { env: { FORCE_COLOR: '0' } }
const adopt = (root, ...words) => cli(['adopt', ...words], { ...IN, cwd: root })

/** Applies it with all that follows: npm, tsc and doctor write to the output, too. */
const applyAll = (root, ...words) => cli(['adopt', '--apply', ...words], { ...IN, cwd: root, isAlone: true })

const documentOf = ({ code, out, errors }) => ({ code, ...JSON.parse(out || errors) })

const adoptJson = async (root, ...words) => documentOf(await adopt(root, ...words, '--json'))

describe('adopt in an app', () => {
  let root, before
  beforeAll(() => {
    root = installed(STOCK)
    before = textsOf(root)
  })

  test('shows each change with a reason, and changes nothing', async () => {
    const { code, out } = await adopt(root)
    expect(code).toBe(FOUND)
    expect(out).toContain("+  serverExternalPackages: ['media-credits'],")
    expect(out).toContain("+    creditId: text('credit_id')")
    expect(out).toContain('+    "media-credits": "^')
    expect(out).toMatch(/^src\/shared\/models\/credit\.ts: the package has these 5 functions/m)
    expect(out).toMatch(
      /^src\/app\/translate\/route\.ts:\d+: |^ {2}src\/app\/translate\/route\.ts:10: consumeCredits/m,
    )
    expect(textsOf(root)).toEqual(before)
  })

  test('prints diffs that git can apply', async () => {
    const { changes } = await adoptJson(root)
    const copy = folderOf(before)
    commit(copy)
    const patch = path.join(copy, 'changes.patch')
    fs.writeFileSync(patch, changes.map(({ diff }) => `${diff}\n`).join(''))
    git(copy, 'apply', '--check', 'changes.patch')
    git(copy, 'apply', 'changes.patch')
    fs.rmSync(patch)
    const other = installed(STOCK)
    await adopt(other, '--apply', '--no-install')
    expect({ ...textsOf(copy), '.gitignore': 'node_modules\n' }).toEqual(textsOf(other))
  })

  test('reports code that still charges around the package with --check', async () => {
    const { code, out } = await adopt(root, '--check')
    expect(code).toBe(FOUND)
    expect(out).toContain('src/shared/models/media_task.ts:1: npx media-credits adopt has to change it')
    expect(textsOf(root)).toEqual(before)
  })

  test('refuses a dirty git tree', async () => {
    const dirty = installed(STOCK)
    fs.appendFileSync(path.join(dirty, 'src/core/db/index.ts'), '// mine\n')
    const texts = textsOf(dirty)
    const refused = await adopt(dirty, '--apply')
    expect({ code: refused.code, errors: refused.errors }).toEqual({
      code: TROUBLE,
      errors: 'media-credits: there are uncommitted changes: commit first, or pass --force',
    })
    expect(textsOf(dirty)).toEqual(texts)
    expect((await adopt(dirty, '--apply', '--force', '--no-install')).code).toBe(0)
    expect(textsOf(dirty)).not.toEqual(texts)
  })

  test('refuses outside a git repository', async () => {
    const { code, errors } = await adopt(folderOf(STOCK), '--apply')
    expect(code).toBe(TROUBLE)
    expect(errors).toContain('the app is not in a git repository')
  })

  test('makes the changes without new errors of tsc, and then has nothing to do', async () => {
    const done = await applyAll(root)
    expect(done.out).toContain('tsc: 0 new errors, 0 that were there before.')
    expect(done.out).toContain('7 files changed.')
    const after = textsOf(root)
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual([
      'next.config.ts',
      'package.json',
      'src/app/translate/route.ts',
      'src/config/db/schema.ts',
      'src/shared/models/ai_task.ts',
      'src/shared/models/credit.ts',
      'src/shared/models/media_task.ts',
    ])
    const again = await adopt(root, '--apply')
    expect(again.out).toMatch(/Nothing to change\.$/)
    expect(again.code).toBe(0)
    expect(textsOf(root)).toEqual(after)
    const checked = await adoptJson(root, '--check')
    expect(checked).toEqual({ code: 0, ok: true, found: [] })
  })
})

test('leaves models that charge and refund through the package', async () => {
  const root = installed(STOCK)
  await adopt(root, '--apply', '--no-install')
  compile(root)
  const url = `file:${path.join(root, 'local.db')}`
  await cli(['init', url], { cwd: root })
  fs.writeFileSync(
    path.join(root, 'run.js'),
    `const { createCredit, getRemainingCredits } = require('./dist/src/shared/models/credit.js')
const { createMediaTask, updateMediaTaskById } = require('./dist/src/shared/models/media_task.js')
const { close } = require('media-credits')
const Database = require('libsql')
void (async () => {
  new Database('local.db').exec("INSERT INTO user (id, name, email, email_verified, created_at, updated_at) VALUES ('u', 'u', 'u@example.test', 0, 0, 0)")
  const said = []
  const say = async () => said.push(await getRemainingCredits('u'))
  await createCredit({ userId: 'u', credits: 25 })
  const submits = Array.from({ length: 6 }, (_, at) =>
    createMediaTask({ id: String(at), userId: 'u', platform: 'youtube', videoUrl: 'x' }, 10))
  const outcomes = await Promise.allSettled(submits)
  said.push(outcomes.filter(({ status }) => status === 'fulfilled').length)
  await say()
  const [first] = outcomes.filter(({ status }) => status === 'fulfilled')
  const fail = () => updateMediaTaskById(first.value.id, { status: 'failed' })
  await Promise.all([fail(), fail(), fail()])
  await say()
  console.log(JSON.stringify(said))
  await close()
})()
`,
  )
  link(root, ['libsql'])
  const said = execFileSync(process.execPath, ['run.js'], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: url, DATABASE_PROVIDER: 'sqlite' },
    encoding: 'utf8',
  })
  expect(JSON.parse(said)).toEqual([2, 5, 15])
})

test.each([
  ['package-lock.json', 'npm install'],
  ['pnpm-lock.yaml', 'pnpm install --no-frozen-lockfile'],
  ['yarn.lock', 'yarn install'],
  ['bun.lock', 'bun install'],
  ['nothing', 'npm install'],
])('installs where %s is, with %s', (lock, command) => {
  const { installCommand } = require('../../../cli/adopt/install')
  const root = folderOf({ 'apps/web/package.json': '{}', '.git/HEAD': '', [lock]: '' })
  const [manager, words] = installCommand(path.join(root, 'apps/web'))
  expect([manager, ...words].join(' ')).toBe(command)
})

test('distinguishes new errors of tsc from old ones, also in an app on TypeScript 7', async () => {
  const files = {
    ...STOCK,
    'src/app/old.ts': "export const old: number = 'text';\n",
    'src/app/page.ts': `import { findMediaTaskById } from '../shared/models/media_task';

export const titleOf = async (id: string) => (await findMediaTaskById(id)).status;
`,
  }
  const { code, newErrors, knownErrors } = documentOf(
    await applyAll(installed(files, 'typescript-7'), '--json'),
  )
  expect({ code, knownErrors }).toEqual({ code: FOUND, knownErrors: 1 })
  expect(newErrors).toEqual([
    { path: 'src/app/page.ts', line: 3, message: "error TS2532: Object is possibly 'undefined'." },
  ])
})

describe('the parser', () => {
  const { parserFor } = require('../../../cli/adopt/parser')
  test("is the app's own TypeScript", () => {
    const root = installed({})
    expect(parserFor(root, root).version).toBe(require('typescript').version)
  })

  test('is requested if it is not installed', () => {
    const seven = installed({}, 'typescript-7')
    const cure = 'npx --package typescript@5 --package media-credits media-credits adopt'
    expect(() => parserFor(seven, `${seven}/package.json`)).toThrow(
      /^TypeScript 7\.\d+\.\d+ has no parser that JavaScript can call\. Or run: npx/,
    )
    const none = folderOf({})
    expect(() => parserFor(none, `${none}/package.json`)).toThrow("the app's TypeScript is not installed")
    expect(() => parserFor(none, `${none}/package.json`)).toThrow(cure)
  })
})

// ---- Unusual apps that are adopted ----

const without = (files, ...names) =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)))

const moved = (files, change) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [change(name), text]))

/** One file with all models. */
function inOneFile() {
  const body = (text) => text.replace(/^import [^;]*;\n/gm, '')
  const head = `import { and, eq, gt, inArray, isNull, or, sql, sum } from 'drizzle-orm';
import { db } from '../../core/db';
import { aiTask, credit, mediaTasks } from '../../config/db/schema';
import { getUuid } from '../lib/hash';
import { appendUserToResult, User } from './user';
`
  const models = 'src/shared/models'
  const rest = without(STOCK, `${models}/credit.ts`, `${models}/ai_task.ts`, `${models}/media_task.ts`)
  const route = STOCK['src/app/translate/route.ts'].replace(/models\/\w+'/g, "models/ledger'")
  return {
    ...rest,
    [`${models}/ledger.ts`]: head + [CREDIT, AI_TASK, MEDIA_TASK].map(body).join('\n'),
    'src/app/translate/route.ts': route,
  }
}

const ODD = {
  'no src/': moved(
    { ...STOCK, 'tsconfig.json': STOCK['tsconfig.json'].replace('src/**/*.ts', '*/**/*.ts') },
    (name) => name.replace(/^src\//, ''),
  ),
  'models in files with other names': moved(
    {
      ...STOCK,
      'src/app/translate/route.ts': STOCK['src/app/translate/route.ts']
        .replace('models/credit', 'models/billing')
        .replace('models/media_task', 'models/jobs'),
      'src/shared/models/ai_task.ts': AI_TASK.replace("'./credit'", "'./billing'"),
      'src/shared/models/media_task.ts': MEDIA_TASK.replace("'./credit'", "'./billing'"),
    },
    (name) => name.replace('models/credit', 'models/billing').replace('models/media_task', 'models/jobs'),
  ),
  'functions that are re-exported': {
    ...STOCK,
    'src/shared/models/index.ts':
      "export * from './credit';\nexport { createMediaTask as submit } from './media_task';\n",
  },
  'a default export': {
    ...STOCK,
    'src/shared/models/credit.ts': `${CREDIT}\nexport default { consumeCredits, getRemainingCredits };\n`,
  },
  'arrow functions and a list of exports': {
    ...STOCK,
    'src/shared/models/media_task.ts': `${MEDIA_TASK.replace(
      /export async function (\w+)\((.*?)\)(: Promise<boolean>)? \{/g,
      'const $1 = async ($2)$3 => {',
    ).replace(/^\}$/gm, '};')}
export { createMediaTask, findMediaTaskById, updateMediaTaskById, hasActiveMediaTask };
`,
  },
  'models in one file': inOneFile(),
  'an alias, and callers that import from an index': withBarrel(),
  'a schema for each database': {
    ...STOCK,
    'src/config/db/schema.sqlite.ts': `import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const mediaTasks = sqliteTable('media_tasks', {
  id: text('id').primaryKey(),
  progress: integer('progress').notNull()
});
`,
  },
  ...Object.fromEntries(
    Object.entries(forms).map(([name, form]) => [
      name,
      Object.fromEntries(
        Object.entries({ ...STOCK, 'package.json': JSON.stringify(manifest, undefined, 2) }).map(
          ([file, text]) => [file, file === 'package.json' || !file.endsWith('json') ? form(text) : text],
        ),
      ),
    ]),
  ),
}

test.each(Object.entries(ODD))('adopts an app with %s', async (_, files) => {
  const root = installed(files)
  const before = textsOf(root)
  const { applied } = await adoptJson(root, '--apply', '--no-install')
  expect(applied).toBe(true)
  expect(typeErrors(root)).toEqual([])
  const after = textsOf(root)
  const models = Object.keys(after).filter((name) => after[name].includes('connect<'))
  expect(models.length).toBeGreaterThan(0)
  for (const name of models) {
    expect(after[name]).not.toContain('.transaction(')
    expect(after[name].includes('\r\n')).toBe(before[name].includes('\r\n'))
    expect(after[name].startsWith('\uFEFF')).toBe(before[name].startsWith('\uFEFF'))
    expect(after[name].replaceAll('\r\n', '')).not.toContain('\r')
    for (const part of ownParts(before[name])) expect(after[name]).toContain(part)
  }
  const { code, found } = await adoptJson(root, '--check')
  expect({ code, found }).toEqual({ code: 0, found: [] })
})

/** The app's own code in a file, each part with its comment. */
function ownParts(text) {
  const parts = Array.from(
    text.matchAll(
      /(?:^\/\/.*\r?\n)?^export (?:type|enum|(?:async )?function (?:notExpired|grantCreditsForNewUser))(?:[^\n{]*\{[^]*?^\}.*|[^\n{]*)$/gm,
    ),
    ([part]) => part,
  )
  expect(parts.length).toBeGreaterThan(1)
  return parts
}

test('adopt makes only the other changes in an app whose models are the package already', async () => {
  const root = installed({
    ...without(STOCK, 'src/app/translate/route.ts', 'src/shared/models/ai_task.ts'),
    'src/shared/models/credit.ts': "export * from 'media-credits';\n",
    'src/shared/models/media_task.ts': "export * from 'media-credits';\n",
  })
  const { changes } = await adoptJson(root)
  expect(changes.map(({ path }) => path)).toEqual([
    'next.config.ts',
    'package.json',
    'src/config/db/schema.ts',
  ])
})

// ---- Unusual apps that are refused ----

const REFUSED = [
  [
    'models whose functions have other names',
    {
      'src/shared/models/credit.ts': CREDIT.replaceAll(
        /\b(consume|create|get|getRemaining)Credits?\b/g,
        '$1Coins',
      ).replace('calculateCreditExpirationTime', 'expiry'),
      'src/shared/models/ai_task.ts': 'export {};\n',
      'src/shared/models/media_task.ts': 'export {};\n',
      'src/app/translate/route.ts': 'export {};\n',
    },
    /no model of a ShipAny app was found[^]*src\/shared\/models\/credit\.ts:\d+: changes the remaining credits of a grant/,
  ],
  [
    'a charge with another parameter',
    {
      'src/shared/models/credit.ts': CREDIT.replace(
        '  metadata,\n}: {',
        '  metadata,\n  teamId,\n}: {\n  teamId?: string;',
      ),
    },
    /src\/shared\/models\/credit\.ts:\d+: consumeCredits is not the package's: it also takes teamId/,
  ],
  [
    'a charge with another effect',
    {
      'src/shared/models/credit.ts': CREDIT.replace(
        "'./user';",
        "'./user';\nimport { sendMail } from '../mail';",
      ).replace('    return charge;', '    await sendMail(charge);\n    return charge;'),
    },
    /consumeCredits is not the package's: it also uses sendMail/,
  ],
  [
    'a failure that writes another field',
    {
      'src/shared/models/ai_task.ts': AI_TASK.replace(
        "=== 'failed' && updateAITask.creditId) {",
        "=== 'failed' && updateAITask.creditId) {\n      updateAITask.scene = 'refunded';",
      ),
    },
    /updateAITaskById is not the package's: it also fills in scene/,
  ],
  [
    'a task that is created without a charge',
    {
      'src/shared/models/media_task.ts': MEDIA_TASK.replace(/^.*costCredits > 0.*\n/m, ''),
    },
    /createMediaTask is not the package's: it does not charge/,
  ],
  [
    'refunds in callers',
    { 'src/app/refund.ts': 'declare function refundCredits(id: string): void;\nrefundCredits("1");\n' },
    /updateMediaTaskById refunds nothing, but src\/app\/refund\.ts:2 does/,
  ],
  [
    "'use server'",
    { 'src/shared/models/credit.ts': `'use server';\n\n${CREDIT}` },
    /credit\.ts:1: a file with 'use server'/,
  ],
  [
    'a configuration that can not be analysed',
    { 'next.config.ts': "import { made } from './made';\nexport default made;\n" },
    /next\.config\.ts:2: the configuration object was not found; add serverExternalPackages/,
  ],
  [
    'an app without Next.js',
    { 'package.json': JSON.stringify({ ...manifest, dependencies: {} }) },
    /this is not a Next\.js app/,
  ],
  [
    'an old Next.js',
    { 'package.json': JSON.stringify({ ...manifest, dependencies: { next: '14.2.0' } }) },
    /Next\.js 14\.2\.0 is older than 15/,
  ],
]

test.each(REFUSED)('adopt refuses %s, and changes nothing', async (_, files, message) => {
  const root = installed({ ...STOCK, ...files })
  const before = textsOf(root)
  const { code, out, errors } = await adopt(root, '--apply')
  expect(errors).toMatch(message)
  expect({ code, out }).toEqual({ code: TROUBLE, out: '' })
  expect(textsOf(root)).toEqual(before)
})

test('adopt refuses --check with --apply', async () => {
  const { code, errors } = await adopt(folderOf({}), '--apply', '--check')
  expect(code).toBe(2)
  expect(errors).toContain("'--check' cannot be used with option '--apply'")
})

test('adopt in a folder without package.json says what to do', async () => {
  const root = folderOf({})
  fs.rmSync(path.join(root, 'package.json'))
  const { code, errors } = await adopt(root)
  expect({ code, errors }).toEqual({
    code: TROUBLE,
    errors: 'media-credits: there is no package.json here: run it in the folder of the app',
  })
})
