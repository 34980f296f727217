'use strict'

const { mendCallers } = require('../../../cli/adopt/callers')
const { appOf } = require('./apps')

describe('callers', () => {
  const ROUTE = 'src/route.ts'
  function called(text, others = {}) {
    const app = appOf({ ...others, [ROUTE]: text })
    const notes = mendCallers(app)
    return {
      text: app.source(ROUTE).rewritten(),
      notes: notes.map(({ line, message }) => `${line}: ${message}`),
    }
  }

  const charged = (use) =>
    `let charge = null;\nif (paid) {\n  charge = await consumeCredits({ userId });\n}\n${use}\n`
  test.each([
    ['is read without a check', 'log(charge.id, charge.credits);', 'log(charge?.id, charge?.credits);'],
    ['is read with ?.', 'log(charge?.id);', undefined],
    ['is checked in a condition', 'if (charge) log(charge.id);', undefined],
    ['is checked in an expression', 'log(charge ? charge.id : null, charge && charge.id);', undefined],
    ['is charged right before', 'charge = await consumeCredits({ userId });\nlog(charge.id);', undefined],
    ['is checked in another place', 'if (other) log(charge.id);', 'if (other) log(charge?.id);'],
    ['is read in a row', 'log([charge.id], { id: charge.id });', 'log([charge?.id], { id: charge?.id });'],
  ])('a charge that may be null %s', (_, before, after = before) => {
    expect(called(charged(before)).text).toBe(charged(after))
    expect(called(charged(after)).text).toBe(charged(after))
  })

  test.each([
    ['assigned to', 'charge.id = 1;', 'charge.id'],
    ['added to', 'charge.n += 1;', 'charge.n'],
    ['counted up', 'charge.n++;\n', 'charge.n'],
    ['counted down', '--charge.n;', 'charge.n'],
    ['assigned to further in', 'charge.meta.n = 1;', 'charge.meta'],
    ['assigned to in a pattern', '[charge.n] = [1];', 'charge.n'],
    ['made of', 'new charge.Thing();', 'charge.Thing'],
  ])('a charge that may be null is listed where it is %s', (_, use, member) => {
    expect(called(charged(use))).toEqual({
      text: charged(use),
      notes: [`5: ${member} is assigned here, and charge is null if nothing is charged`],
    })
  })

  test('another variable that may be null is not touched', () => {
    const text = 'let row = null;\nrow = await find();\nlog(row.id);\n// consumeCredits(\n'
    expect(called(text)).toEqual({ text, notes: [] })
  })

  test.each([
    [
      'a call inside a transaction',
      'await db().transaction(async (trx) => {\n  await createCredit({ userId });\n  return getRemainingCredits(userId);\n});\n',
      [
        "2: createCredit: runs beside the app's transaction, not in it; createCredit({ …, tx: trx }) runs in it (docs/transactions.md)",
        "3: getRemainingCredits: runs beside the app's transaction, not in it; within(trx).getRemainingCredits(…) runs in it (docs/transactions.md)",
      ],
    ],
    [
      'a call that joins a transaction',
      'await db().transaction(async (tx) => createCredit({ userId, tx }));\n',
      [],
    ],
    [
      'a call after a transaction',
      'await db().transaction(async (tx) => tx);\nawait createCredit({ userId });\n',
      [],
    ],
    [
      'limits that are checked before',
      'const { concurrentLimit } = limits;\nawait createMediaTask(task, 10);\n',
      [
        '2: createMediaTask: pass the limits of the plan here, so that they hold for concurrent submits: maxActive, freeTrialLimit (docs/migrating.md)',
      ],
    ],
    [
      'the Edge runtime',
      "export const runtime = 'edge';\nexport const GET = () => getRemainingCredits(1);\n",
      ["1: the addon does not run in the Edge runtime: export const runtime = 'nodejs'"],
    ],
    ['limits that are passed', 'await createMediaTask(task, 10, { maxActive: concurrentLimit });\n', []],
    [
      'a charge for a further step',
      'async function f() {\n  await consumeCredits({ userId });\n  await updateMediaTaskById(id, {});\n}\n',
      [
        '2: consumeCredits: chargeMediaTask charges and changes the task in one transaction (docs/migrating.md)',
      ],
    ],
    [
      'a charge, but not for an update in a comment or a text',
      "async function f() {\n  await consumeCredits({ userId });\n  // updateMediaTaskById(id) was here\n  log('updateMediaTaskById(');\n}\n",
      [],
    ],
  ])('lists %s', (_, text, notes) => {
    expect(called(text)).toEqual({ text, notes })
  })

  const OTHERS = {
    'src/models/credit.ts': 'export const { createCredit, consumeCredits } = connect();\n',
    'src/models/grant.ts': "import { createCredit } from './credit';\nexport default createCredit;\n",
    'src/models/index.ts':
      "export * from './credit';\nexport { createCredit as give, updateMediaTaskById as change } from './credit';\n",
    'src/api/index.ts':
      "import { give as mine } from '../models';\nexport * from './cycle';\nexport { mine as offer };\n",
    'src/api/cycle.ts': "export * from '.';\nexport * as models from '../models';\n",
  }
  const beside = (called) =>
    `2: ${called.join(' ')}: runs beside the app's transaction, not in it; ${called[0]}({ …, tx }) runs in it (docs/transactions.md)`
  test.each([
    ['an alias', "{ createCredit as grant } from './models/credit'", 'grant', '(createCredit)'],
    [
      'an alias in a package of its own',
      "{ createCredit as grant } from '@acme/models'",
      'grant',
      '(createCredit)',
    ],
    ['a member of a namespace', "* as models from '@/models/credit'", 'models.createCredit'],
    ['a member of a namespace that is re-exported', "{ models } from './api'", 'models.createCredit'],
    ['a member of a default import', "models from './models'", 'models.createCredit'],
    ['a renamed re-export', "{ give } from '@/models'", 'give', '(createCredit)'],
    ['a renamed re-export with an alias', "{ give as it } from './models/index.js'", 'it', '(createCredit)'],
    ['a renamed member of a namespace', "* as models from './models'", 'models.give', '(createCredit)'],
    ['an export that is renamed twice', "{ offer } from './api'", 'offer', '(createCredit)'],
    ['a default export', "anything from '@/models/grant'", 'anything', '(createCredit)'],
  ])('lists a call by %s', (_, imported, ...callee) => {
    const text = `import ${imported};\nawait db().transaction(async (tx) => ${callee[0]}({ userId }));\n`
    expect(called(text, OTHERS)).toEqual({ text, notes: [beside(callee)] })
  })

  test.each([
    [
      'another function under the name',
      "import { addNote as createCredit } from './notes';\n",
      'createCredit',
    ],
    ['a method of a value', 'const client = made(); // createCredit\n', 'client.createCredit'],
    ['another renamed export', "import { give } from './gifts'; // createCredit\n", 'give'],
  ])('does not list %s', (_, head, callee) => {
    const text = `${head}await db().transaction(async (tx) => ${callee}({ userId }));\n`
    expect(called(text, OTHERS)).toEqual({ text, notes: [] })
  })

  test('a charge and an update under other names are a step', () => {
    const text =
      "import { change, consumeCredits as pay } from '@/models';\nasync function f() {\n  await pay({ userId });\n  await change(id, {});\n}\n"
    expect(called(text, OTHERS).notes).toEqual([
      '3: pay (consumeCredits): chargeMediaTask charges and changes the task in one transaction (docs/migrating.md)',
    ])
  })

  test('a charge under another name may be null', () => {
    const text = (read) =>
      `import { consumeCredits as pay } from '@/models';\nlet charge = null;\nif (paid) charge = await pay({ userId });\nlog(${read});\n`
    expect(called(text('charge.id'), OTHERS).text).toBe(text('charge?.id'))
  })
})
