'use strict'

const { chargesAround } = require('../../../cli/adopt/around')
const { replaceModels } = require('../../../cli/adopt/models')
const { variablesOf } = require('../../../cli/adopt/schema')
const { appOf } = require('./apps')

const NAME = 'src/models/credit.ts'
const VARIABLES = variablesOf([])

/** A model file after the change, and the messages about it. */
function replaced(text, name = NAME) {
  const app = appOf({ [name]: text })
  const { notes } = replaceModels(app, VARIABLES)
  return {
    text: app.source(name).rewritten(),
    notes: notes.map(({ line, message }) => `${line}: ${message}`),
  }
}

const HEAD =
  "import { eq, sum } from 'drizzle-orm';\nimport { db } from '@/core/db';\nimport { credit } from '@/config/db/schema';\n"
/** The same without unused imports. */
const SHORT_HEAD = HEAD.split('\n').slice(1).join('\n')
const BALANCE =
  'export async function getRemainingCredits(id: string) {\n  return db().select({ total: sum(credit.remainingCredits) }).from(credit).where(eq(credit.userId, id));\n}\n'
const CONNECTED = 'export const { getRemainingCredits } = connect();\n'
const IMPORT = "import { connect } from 'media-credits';\n"

describe('a model file', () => {
  test.each([
    ['a function, with the imports that only it needs', `${HEAD}\n${BALANCE}`, `${IMPORT}\n${CONNECTED}`],
    [
      'a group of imports that only it needs',
      `${HEAD.replace(';\n', ';\n\n')}\n${BALANCE}`,
      `${IMPORT}\n${CONNECTED}`,
    ],
    ['a byte order mark stays', `\uFEFF${HEAD}\n${BALANCE}`, `\uFEFF${IMPORT}\n${CONNECTED}`],
    [
      'its own comments, and no others',
      `// about the file\n\n${HEAD}\n// about credits\n\n/** The balance. */\n// of a user\n${BALANCE}\n// after it\nexport const a = 1;\n`,
      `// about the file\n\n${IMPORT}\n// about credits\n\n${CONNECTED}\n// after it\nexport const a = 1;\n`,
    ],
    [
      'imports that another function needs stay',
      `${HEAD}\n${BALANCE}\nexport const all = () => db().select().from(credit);\n`,
      `${IMPORT}import { db } from '@/core/db';\nimport { credit } from '@/config/db/schema';\n\n${CONNECTED}\nexport const all = () => db().select().from(credit);\n`,
    ],
    [
      'a helper that only it needs is removed, an exported one stays',
      `${HEAD}\nconst mine = (id: string) => eq(credit.userId, id);\n\nexport const theirs = () => 1;\n\nexport async function getRemainingCredits(id: string) {\n  theirs();\n  return db().select({ total: sum(credit.remainingCredits) }).from(credit).where(mine(id));\n}\n`,
      `${IMPORT}\nexport const theirs = () => 1;\n\n${CONNECTED}`,
    ],
    [
      'an arrow function',
      `${HEAD}\nexport const getRemainingCredits = async (id: string) => db().select({ total: sum(credit.remainingCredits) }).from(credit).where(eq(credit.userId, id));\n`,
      `${IMPORT}\n${CONNECTED}`,
    ],
    [
      'a default export',
      `${HEAD}\n${BALANCE.replace('export async', 'export default async')}`,
      `${IMPORT}\nconst { getRemainingCredits } = connect();\nexport default getRemainingCredits;\n`,
    ],
    [
      'a list of exports',
      `${HEAD}\n${BALANCE.replace('export ', '')}\nexport { getRemainingCredits as balance };\n`,
      `${IMPORT}\nconst { getRemainingCredits } = connect();\n\nexport { getRemainingCredits as balance };\n`,
    ],
    [
      'overloads',
      `${HEAD}\nexport async function getRemainingCredits(id: string): Promise<number>;\n${BALANCE}`,
      `${IMPORT}\n${CONNECTED}`,
    ],
    [
      "the file's own row type",
      `${SHORT_HEAD}\nexport type Credit = typeof credit.$inferSelect;\n\nexport async function createCredit(row: Credit) {\n  return db().insert(credit).values(row);\n}\n`,
      `${IMPORT}import { credit } from '@/config/db/schema';\n\nexport type Credit = typeof credit.$inferSelect;\n\nexport const { createCredit } = connect<object, Credit>();\n`,
    ],
    [
      'a row type that is not used elsewhere',
      `${SHORT_HEAD}\ntype Credit = typeof credit.$inferSelect;\n\nexport async function createCredit(row: any): Promise<Credit> {\n  return db().insert(credit).values(row);\n}\n`,
      `${IMPORT}import { credit } from '@/config/db/schema';\n\ntype Credit = typeof credit.$inferSelect;\n\nexport const { createCredit } = connect<object, Credit>();\n`,
    ],
    [
      'a row type that follows from the function',
      `${SHORT_HEAD}\nexport type Credit = Awaited<ReturnType<typeof createCredit>>;\n\nexport async function createCredit(row: any) {\n  return db().insert(credit).values(row);\n}\n`,
      `${IMPORT}\nexport type Credit = Awaited<ReturnType<typeof createCredit>>;\n\nexport const { createCredit } = connect();\n`,
    ],
    [
      'a taken name',
      `${HEAD}\nconst connect = 1;\nexport const other = connect;\n\n${BALANCE}`,
      `import { connect as connectLedger } from 'media-credits';\n\nconst connect = 1;\nexport const other = connect;\n\nexport const { getRemainingCredits } = connectLedger();\n`,
    ],
    [
      'an existing import',
      `${IMPORT}${HEAD}\nexport const stats = connect().stats;\n\n${BALANCE}`,
      `${IMPORT}\nexport const stats = connect().stats;\n\n${CONNECTED}`,
    ],
    [
      'a function that a connection does not have',
      `export function calculateCreditExpirationTime({ creditsValidDays, currentPeriodEnd }: { creditsValidDays: number; currentPeriodEnd?: Date }) {\n  if (!creditsValidDays) return null;\n  return currentPeriodEnd ?? new Date(Date.now() + creditsValidDays * 86400000);\n}\n\nexport const soon = () => calculateCreditExpirationTime({ creditsValidDays: 1 });\n`,
      `import { calculateCreditExpirationTime } from 'media-credits';\nexport { calculateCreditExpirationTime };\n\nexport const soon = () => calculateCreditExpirationTime({ creditsValidDays: 1 });\n`,
    ],
    [
      'CRLF, double quotes, no semicolons',
      `import { db } from "../db"\r\nimport { credit, user } from "../schema"\r\n\r\nexport async function createCredit(row: any) {\r\n\treturn db().insert(credit).values(row)\r\n}\r\n\r\nexport const users = () => user\r\n`,
      `import { connect } from "media-credits"\r\nimport { user } from "../schema"\r\n\r\nexport const { createCredit } = connect()\r\n\r\nexport const users = () => user\r\n`,
    ],
    [
      'an import over several lines',
      `import {\n  and,\n  eq,\n  or,\n} from 'drizzle-orm';\n${SHORT_HEAD}\n${BALANCE}\nexport const either = [and, or];\n`,
      `import {\n  and,\n  or,\n} from 'drizzle-orm';\n${IMPORT}\n${CONNECTED}\nexport const either = [and, or];\n`,
    ],
    [
      'the last names of an import',
      `import { and, eq } from 'drizzle-orm';\n${SHORT_HEAD}\n${BALANCE}\nexport const both = [and];\n`,
      `import { and } from 'drizzle-orm';\n${IMPORT}\n${CONNECTED}\nexport const both = [and];\n`,
    ],
    [
      'a statement on its line, behind it',
      `${SHORT_HEAD}\nexport async function createCredit(row: any) {\n  return db().insert(credit).values(row);\n} export const a = 1;\n`,
      `${IMPORT}\nexport const { createCredit } = connect();\nexport const a = 1;\n`,
    ],
    [
      'a statement on its line, before it',
      `${SHORT_HEAD}\nexport const a = 1; export async function createCredit(row: any) {\n  return db().insert(credit).values(row);\n}\n`,
      `${IMPORT}\nexport const a = 1; export const { createCredit } = connect();\n`,
    ],
    [
      'a helper on the line of another statement',
      `${HEAD}\nexport const a = 1; const mine = (id: string) => eq(credit.userId, id); export const b = 2;\n\nexport async function getRemainingCredits(id: string) {\n  return db().select({ total: sum(credit.remainingCredits) }).from(credit).where(mine(id));\n}\n`,
      `${IMPORT}\nexport const a = 1; export const b = 2;\n\n${CONNECTED}`,
    ],
    [
      'an import on the line of another statement',
      `import { db } from '@/core/db'; import { credit } from '@/config/db/schema'; import './side';\n\nexport async function createCredit(row: any) {\n  return db().insert(credit).values(row);\n}\n`,
      `${IMPORT}import './side';\n\nexport const { createCredit } = connect();\n`,
    ],
    [
      'a function that is used later, although above it',
      `${HEAD}\nexport const later = () => getRemainingCredits('1');\n\n${BALANCE}`,
      `${IMPORT}\nexport const later = () => getRemainingCredits('1');\n\n${CONNECTED}`,
    ],
  ])('is rewritten with only the needed changes: %s', (_, before, expected) => {
    expect(replaced(before)).toEqual({ text: expected, notes: [] })
    expect(replaced(expected).text).toBe(expected)
  })

  test('in JavaScript has no types', () => {
    const text = `${SHORT_HEAD}\nexport async function createCredit(row) {\n  return db().insert(credit).values(row);\n}\n`
    expect(replaced(text, 'models/credit.js').text).toBe(
      `${IMPORT}\nexport const { createCredit } = connect();\n`,
    )
  })

  const kept = (body, before = '') => `${HEAD}${before}\n${body}`
  test.each([
    [
      'a read with another parameter',
      kept(
        'export async function getRemainingCredits(id: string, team: string) {\n  return db().select().from(credit);\n}\n',
      ),
      ['5: getRemainingCredits is not changed: it also takes team'],
    ],
    [
      'a read of more tables',
      kept(
        'export async function getRemainingCredits(id: string) {\n  return db().select().from(credit).leftJoin(order);\n}\n',
        "import { order } from '@/config/db/schema';\n",
      ),
      ['6: getRemainingCredits is not changed: it also uses order'],
    ],
    [
      'a read with a cache around it',
      kept('export const getRemainingCredits = cache(async (id: string) => db().select().from(credit));\n'),
      ['5: getRemainingCredits is not changed: it is no plain function'],
    ],
    [
      'tasks that are active in other statuses',
      `import { db } from '@/core/db';\nimport { mediaTasks } from '@/config/db/schema';\n\nexport async function hasActiveMediaTask(id: string) {\n  return db().select().from(mediaTasks).where(is('pending'));\n}\n`,
      [
        '4: hasActiveMediaTask is not changed: it counts tasks that are pending (connect({ activeStatuses }) sets them)',
      ],
    ],
    [
      'a function of this name that calls another service',
      "export const getRemainingCredits = (id: string) => fetch('/api');\n",
      [],
    ],
    [
      'a function of this name over another table',
      "import { db } from './db';\nimport { order } from './schema';\nexport const getCredits = () => db().select().from(order);\n",
      [],
    ],
    [
      'a function that is the package already',
      "import { connect } from 'media-credits';\nexport const { consumeCredits } = connect();\n",
      [],
    ],
  ])('leaves alone %s', (_, text, notes) => {
    expect(replaced(text)).toEqual({ text, notes })
  })

  test.each([
    [
      'several in one statement',
      'export const getRemainingCredits = async (id: string) => db().select({ total: sum(credit.remainingCredits) }).from(credit), other = 1;\n',
      'other is declared in one statement',
    ],
    [
      'a charge with a wrapper',
      'export const consumeCredits = retried(async ({ userId }) => db().insert(credit));\n',
      'it is no plain function',
    ],
    [
      'a row with other fields',
      'export async function createCredit(row: NewCredit & { team: string }) {\n  return db().insert(credit).values(row);\n}\n',
      'it takes more than a row',
    ],
    [
      'a transaction as a second parameter',
      'export async function createCredit(row: NewCredit, tx: any) {\n  return db().insert(credit).values(row);\n}\n',
      'it also takes tx',
    ],
    [
      'another field that is read',
      'export async function consumeCredits(params: Params) {\n  return db().insert(credit).values(params.teamId);\n}\n',
      'it also takes teamId',
    ],
    [
      'the rest of the fields',
      'export async function consumeCredits({ userId, ...rest }: Params) {\n  return db().insert(credit).values(rest);\n}\n',
      'it also takes …',
    ],
  ])('refuses %s', (_, text, why) => {
    expect(() => replaced(`${HEAD}\n${text}`)).toThrow(why)
  })
})

test.each([
  ['is passed on', 'export const cached = cache(getRemainingCredits);\n', 5],
  ['is called', "const balance = getRemainingCredits('1');\n", 5],
  ['is exported as the default', 'export default getRemainingCredits;\n', 5],
  [
    'is used by a function that is called',
    'const all = made();\nfunction made() {\n  return [getRemainingCredits];\n}\n',
    5,
  ],
  ['is called in a function that runs at once', "(() => getRemainingCredits('1'))();\n", 5],
])('refuses a function that %s above its place while the module loads', (_, use, line) => {
  expect(() => replaced(`${HEAD}\n${use}\n${BALANCE}`)).toThrow(
    `src/models/credit.ts:${line}: getRemainingCredits is used here while the module loads`,
  )
})

describe("the app's own refunds", () => {
  /** A model that never refunded, beside other code of the app. */
  const beside = (text) => {
    const app = appOf({
      'src/models/media_task.ts': `import { eq } from 'drizzle-orm';\nimport { db } from '@/core/db';\nimport { mediaTasks } from '@/config/db/schema';\n\nexport async function updateMediaTaskById(id: string, row: any) {\n  return db().update(mediaTasks).set(row).where(eq(mediaTasks.id, id)).returning();\n}\n`,
      'src/fail.ts': text,
    })
    return () => replaceModels(app, VARIABLES).replaced
  }

  test.each([
    ['are called', 'const a = 1;\nawait refundCredits(id);\n'],
    ['are a method', '\nledger.revokeCreditConsumption?.(id);\n'],
    ['have an alias', "import { refundCredits as undo } from './refund';\nawait undo(id);\n"],
    ['are passed on', "import { refundCredits } from './refund';\nqueue.on('failed', refundCredits);\n"],
    [
      'are passed on where they are declared',
      "async function refundCredits(id: string) {}\nqueue.on('failed', refundCredits);\n",
    ],
  ])('are refused where they %s', (_, text) => {
    expect(beside(text)).toThrow('updateMediaTaskById refunds nothing, but src/fail.ts:2 does')
  })

  test.each([
    ['a comment', '// later: refundCredits(id) was removed\n'],
    ['a text', "log('refundCredits(id) failed');\n"],
    ['a number', 'const refundedCredits = 5;\nlog(refundedCredits);\n'],
  ])('are not %s', (_, text) => {
    expect(beside(text)()).toEqual(['updateMediaTaskById'])
  })
})

describe('code around the package', () => {
  const found = (text) =>
    chargesAround(appOf({ 'src/a.ts': text }), VARIABLES).map(({ line, message }) => `${line}: ${message}`)

  test.each([
    [
      'a balance',
      'tx.update(credit).set({ remainingCredits: 1 }).where(x)',
      ['1: changes the remaining credits of a grant'],
    ],
    [
      'a status of a grant',
      "db().update(schema.credit).set({ status: 'deleted' })",
      ['1: changes rows of the ledger'],
    ],
    ['a patch that can not be analysed', 'db().update(credit).set(patch)', ['1: changes rows of the ledger']],
    ['a description', 'db().update(credit).set({ description: 1 })', []],
    [
      'a failure',
      "db().update(mediaTasks).set({ status: 'failed' })",
      ['1: changes the status of a task: a failure refunds no credits'],
    ],
    ['progress', 'db().update(aiTask).set({ progress: 1 })', []],
    ['a charge of a task', 'db().update(aiTask).set({ creditId: 1 })', ['1: changes the charge of a task']],
    [
      'a table under another name',
      "import { credit as ledger } from './schema'\ndb().update(ledger).set({ remainingCredits: 1 })",
      ['2: changes the remaining credits of a grant'],
    ],
    [
      'a charge',
      'db().insert(credit).values({ transactionType: CreditTransactionType.CONSUME })',
      ['1: inserts a charge'],
    ],
    [
      'a charge in a variable',
      "const row = { transactionType: 'consume' }\ndb().insert(credit).values(row)",
      ['2: inserts a charge'],
    ],
    ['a grant', "tx.insert(credit).values({ transactionType: 'grant', remainingCredits: 5 })", []],
    ['SQL', 'sql`UPDATE credit SET remaining_credits = ${n}`', ['1: SQL that writes the rows of the ledger']],
    [
      'SQL of MySQL',
      "db().execute('UPDATE `credit` SET `status` = 1')",
      ['1: SQL that writes the rows of the ledger'],
    ],
    [
      'SQL of MySQL in a template',
      'sql`INSERT IGNORE INTO \\`app\\`.\\`credit\\` (id) VALUES (${id})`',
      ['1: SQL that writes the rows of the ledger'],
    ],
    ['SQL that reads', 'sql`SELECT * FROM credit`', []],
    ['another table', 'db().update(order).set({ status: 1, creditsAmount: 2 })', []],
  ])('is found or left alone: %s', (_, text, expected) => {
    expect(found(text)).toEqual(expected)
  })
})
