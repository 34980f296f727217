'use strict'

const { replaceModels } = require('../../../cli/adopt/models')
const { variablesOf } = require('../../../cli/adopt/schema')
const { appOf } = require('./apps')
const { AI_TASK, CREDIT, MEDIA_TASK } = require('./stock')

const NAME = 'src/models/credit.ts'
const VARIABLES = variablesOf([])

/** Stock functions with one change of the app's own: its title, its model, the old and the new text, the message. */
const OWN = [
  ['half of the price', CREDIT, 'credits: -credits,', 'credits: -(credits / 2),', 'credits / 2'],
  [
    'a price that is computed',
    CREDIT,
    'credits: -credits,',
    'credits: -Math.ceil(credits * 1.5),',
    'Math.ceil(credits * 1.5)',
  ],
  ['a literal', CREDIT, 'if (balance < credits)', 'if (balance < 10)', 'balance < 10'],
  ['an operator', CREDIT, 'if (balance < credits)', 'if (balance <= credits)', 'balance <= credits'],
  [
    'fetch',
    CREDIT,
    '    return charge;',
    "    await fetch('https://a.test');\n    return charge;",
    "fetch('https://a.test')",
  ],
  [
    'a global',
    CREDIT,
    '    return charge;',
    '    queueMicrotask(after);\n    return charge;',
    'queueMicrotask(after)',
  ],
  [
    'a dynamic import',
    CREDIT,
    '    return charge;',
    "    const { send } = await import('../mail');\n    await send(charge);\n    return charge;",
    "import('../mail')",
  ],
  [
    'a namespace',
    CREDIT,
    '    return charge;',
    '    mail.send(charge);\n    return charge;',
    'mail.send(charge)',
    "import * as mail from '../mail';\n",
  ],
  [
    'a call with a harmless name',
    CREDIT,
    '    return charge;',
    '    hashOf(charge);\n    return charge;',
    'hashOf(charge)',
    "import { hashOf } from '../lib/hash';\n",
  ],
  [
    'a method',
    CREDIT,
    '    return charge;',
    '    await tx.delete(credit);\n    return charge;',
    '.delete(credit)',
  ],
  [
    'another table',
    CREDIT,
    '    return charge;',
    '    await tx.insert(auditLog).values(charge);\n    return charge;',
    '.insert(auditLog)',
  ],
  [
    'a table of the schema',
    CREDIT,
    '    return charge;',
    '    await tx.insert(schema.auditLog).values(charge);\n    return charge;',
    '.insert(schema.auditLog)',
    "import * as schema from '../../config/db/schema';\n",
  ],
  [
    'a column of a charge',
    CREDIT,
    '      metadata,\n    };',
    '      metadata,\n      orderNo: description,\n    };',
    'orderNo: description',
  ],
  [
    'another WHERE',
    CREDIT,
    'remaining_credits - ${credits}` });',
    'remaining_credits - ${credits}` }).where(eq(credit.orderNo, scene));',
    'eq(credit.orderNo, scene)',
  ],
  [
    'SQL',
    CREDIT,
    'sql`remaining_credits - ${credits}`',
    'sql`remaining_credits - ${credits} - 1`',
    'sql`remaining_credits - ${credits} - 1`',
  ],
  [
    'a swallowed error',
    CREDIT,
    '    await tx.insert(credit).values(charge);',
    '    try {\n      await tx.insert(credit).values(charge);\n    } catch {}',
    'try {',
  ],
  [
    'a default of a field',
    CREDIT,
    '  scene,\n  description,\n  metadata,\n}: {',
    "  scene = 'gift',\n  description,\n  metadata,\n}: {",
    "scene = 'gift'",
  ],
  [
    'a helper with another effect',
    CREDIT,
    "return parseInt(row?.total || '0');",
    "return parseInt(row?.total || '0') + 5;",
    "parseInt(row?.total || '0') + 5",
  ],
  ['an enum with its own values', CREDIT, "CONSUME = 'consume'", "CONSUME = 'spend'", 'CONSUME'],
  ['a constant of the file', CREDIT, 'credits: -credits,', 'credits: -credits * RATE,', 'RATE'],
  [
    'another field in a grant',
    CREDIT,
    'db().insert(credit).values(newCredit)',
    "db().insert(credit).values({ ...newCredit, description: 'x' })",
    "description: 'x'",
  ],
  [
    'another field in a task',
    MEDIA_TASK,
    '.values(newMediaTask)',
    ".values({ ...newMediaTask, platform: 'web' })",
    "platform: 'web'",
  ],
  [
    'another field in a task by a variable',
    MEDIA_TASK,
    '.values(newMediaTask)',
    '.values(row)',
    '.values(row)',
  ],
  ['a default of a price', MEDIA_TASK, 'costCredits: number)', 'costCredits: number = 10)', 'costCredits'],
  [
    'a condition of a charge',
    MEDIA_TASK,
    'if (costCredits > 0)',
    'if (costCredits > 0 && !newMediaTask.isFreeTrial)',
    '!newMediaTask.isFreeTrial',
  ],
  [
    'another field in an update',
    MEDIA_TASK,
    '.set(updateMediaTask)',
    '.set({ ...updateMediaTask, progress: 1 })',
    'progress',
  ],
  [
    'another field in an update by a variable',
    MEDIA_TASK,
    '  const [result] = await db().update(mediaTasks).set(updateMediaTask)',
    "  const patch = { ...updateMediaTask, outputType: 'x' };\n  const [result] = await db().update(mediaTasks).set(patch)",
    '.set(patch)',
  ],
  [
    'the WHERE of an update',
    MEDIA_TASK,
    '.set(updateMediaTask).where(eq(mediaTasks.id, id))',
    '.set(updateMediaTask).where(ne(mediaTasks.id, id))',
    'ne(mediaTasks.id, id)',
  ],
  [
    'a refund for another status',
    AI_TASK,
    "updateAITask.status === 'failed'",
    "updateAITask.status === 'canceled'",
    "updateAITask.status === 'canceled'",
  ],
  [
    'the price of a task',
    AI_TASK,
    'credits: newAITask.costCredits }',
    'credits: newAITask.costCredits * 2 }',
    'newAITask.costCredits * 2',
  ],
  [
    'another refund',
    AI_TASK,
    'set({ status: CreditStatus.DELETED })',
    'set({ status: CreditStatus.REFUNDED })',
    'status: CreditStatus.REFUNDED',
  ],
]
OWN.push(
  [
    'another argument for a helper',
    CREDIT,
    'balanceOf(tx, userId)',
    'balanceOf(tx, scene)',
    'balanceOf(tx, scene)',
  ],
  [
    'no check of the balance',
    CREDIT,
    "    if (balance < credits) throw new Error('Insufficient credits');\n",
    '',
    'it charges more than the balance',
  ],
  [
    'an early return',
    CREDIT,
    '    return charge;',
    '    if (balance < credits) return;\n    return charge;',
    'return;',
  ],
  [
    'another eq',
    CREDIT,
    'import { and, eq, gt,',
    "import { eq } from '../mine';\nimport { and, gt,",
    'it also uses eq',
  ],
  ['a default import', CREDIT, 'import { getUuid } from', 'import getUuid from', 'getUuid()'],
  [
    'a variable of the name of an import',
    CREDIT,
    'credits: -credits,',
    'credits: credit,',
    'credits: credit',
  ],
  ['this', CREDIT, '    return charge;', '    this.sent = charge;\n    return charge;', 'this.sent'],
  [
    'a method in brackets',
    CREDIT,
    '    return charge;',
    "    tx['delete'](credit);\n    return charge;",
    "tx['delete'](credit)",
  ],
  [
    'a column that is computed',
    CREDIT,
    '      metadata,\n    };',
    '      metadata,\n      [scene]: 1,\n    };',
    '[scene]: 1',
  ],
)
test.each(OWN)(
  'a write with %s is refused, and nothing is changed',
  (_, model, ...[from, to, said, before = '']) => {
    expect(model).toContain(from)
    const text = before + model.replace(from, () => to)
    const app = appOf({ [NAME]: text })
    let refusal
    try {
      replaceModels(app, VARIABLES)
    } catch (error) {
      refusal = error.message
    }
    expect(refusal).toMatch(/^src\/models\/credit\.ts:\d+: \w+ is not the package's/)
    expect(refusal).toContain(said)
  },
)

test.each([
  [
    'another WHERE',
    'getRemainingCredits',
    CREDIT,
    '  return balanceOf(db(), userId);',
    '  return db().select({ total: sum(credit.remainingCredits) }).from(credit).where(eq(credit.orderNo, userId));',
    'eq(credit.orderNo, userId)',
  ],
  ['another default', 'getCredits', CREDIT, 'limit = 30', 'limit = 100', 'limit = 100'],
  [
    'another order',
    'getCredits',
    CREDIT,
    '    .limit(limit)',
    '    .orderBy(asc(credit.createdAt))\n    .limit(limit)',
    'asc(credit.createdAt)',
  ],
  [
    'a cap',
    'getRemainingCredits',
    CREDIT,
    'return balanceOf(db(), userId);',
    'return Math.min(await balanceOf(db(), userId), 100);',
    'Math.min(',
  ],
  [
    'another body',
    'calculateCreditExpirationTime',
    CREDIT,
    'creditsValidDays * 86400000',
    'creditsValidDays * 3600000',
    'creditsValidDays * 3600000',
  ],
  [
    'a part of a body',
    'calculateCreditExpirationTime',
    CREDIT,
    'currentPeriodEnd ?? new Date',
    'new Date',
    'it does not do all of it',
  ],
])('a read with %s is kept and listed: %s', (_, name, ...[model, from, to, said]) => {
  expect(model).toContain(from)
  const app = appOf({ [NAME]: model.replace(from, () => to) })
  const { notes } = replaceModels(app, VARIABLES)
  const note = notes.find(({ message }) => message.startsWith(`${name} is not changed`))
  expect(note.message).toContain(said)
  expect(app.source(NAME).rewritten()).toContain(to)
})

test('a model that calls a function which only has the name of a charge is refused', () => {
  const app = appOf({
    'src/models/media_task.ts': MEDIA_TASK,
    'src/models/credit.ts':
      'export const consumeCredits = async (charge: any) => [await mail(charge), spend(charge)];\n',
  })
  expect(() => replaceModels(app, VARIABLES)).toThrow(
    /^src\/models\/credit\.ts:1: consumeCredits is not the package's, and createMediaTask calls it \(src\/models\/media_task\.ts:\d+\)/,
  )
})
