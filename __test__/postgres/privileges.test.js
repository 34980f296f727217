'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')
const { violations } = require('../helpers/invariants')
const { connection } = require('../helpers/network')

const ALL = 'SELECT, INSERT, UPDATE'
const GRANTS = { user: ALL, credit: ALL, media_tasks: ALL, ai_task: ALL }

/** A database with the user `u`, and a connection of a role with these privileges, after these statements. */
async function withRole(granted, statements, use, options) {
  const database = await TestDatabase.fresh()
  const role = `${database.store.name}_role`
  await database.user('u', 10)
  await database.run(
    `CREATE ROLE ${role} LOGIN PASSWORD 'role'`,
    ...Object.entries({ ...GRANTS, ...granted })
      .filter(([, privileges]) => privileges)
      .map(([table, privileges]) => `GRANT ${privileges} ON "${table}" TO ${role}`),
    ...statements(role),
  )
  const url = new URL(database.url)
  Object.assign(url, { username: role, password: 'role' })
  const credits = connection(url.href, options)
  try {
    await use({ database, credits, url: url.href, role })
  } finally {
    await credits.close()
    await database.run(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`)
  }
}

const secured = (table, ...policies) => [
  `ALTER TABLE "${table}" ENABLE ROW LEVEL SECURITY`,
  ...policies.map((command) => {
    const condition = command === 'INSERT' ? 'WITH CHECK (true)' : 'USING (true)'
    return `CREATE POLICY ${table}_${command} ON "${table}" FOR ${command} ${condition}`
  }),
]

/** The calls of an app on this connection. */
async function live({ database, credits }) {
  await credits.createCredit({ userId: 'u', credits: 10 })
  await credits.createMediaTask(task('t', 'u'), 15, { maxActive: 5 })
  const charge = await credits.consumeCredits({ userId: 'u', credits: 2 })
  await credits.refundCredits(charge.id)
  await credits.chargeMediaTask('t', { credits: 1 })
  const { refund } = await credits.updateMediaTaskById('t', { status: 'failed' })
  expect(refund).toMatchObject({ credits: 1, spendable: 1 })
  expect(await credits.getRemainingCredits('u')).toBe(5)
  expect(await credits.repairLedger({ apply: true })).toMatchObject({ changes: [] })
  expect(await violations(database)).toEqual([])
}

const USER_FORMS = [
  ['a table that the role may only read', { user: 'SELECT' }, () => []],
  ['a table of which the role may only read the ids', { user: 'SELECT (id)' }, () => []],
  ['a table without a policy for UPDATE', {}, () => secured('user', 'SELECT')],
  [
    'a view',
    { user: null },
    (role) => [
      'ALTER TABLE "user" RENAME TO people',
      'CREATE VIEW "user" AS SELECT id, upper(name) AS name, count(*) AS n FROM people GROUP BY id, name',
      `GRANT SELECT ON "user" TO ${role}`,
    ],
  ],
  [
    'a materialized view',
    { user: null },
    (role) => [
      'ALTER TABLE "user" RENAME TO people',
      'CREATE MATERIALIZED VIEW "user" AS SELECT id, name FROM people',
      `GRANT SELECT ON "user" TO ${role}`,
    ],
  ],
]

describe('users whose rows can not be locked can be charged:', () => {
  test.each(USER_FORMS)('%s, with all calls of an app', async (_, granted, statements) => {
    await withRole(granted, statements, live)
  })

  // The owner's connection locks the user's row, the role's connection takes an advisory lock by the user's id.
  test.each(USER_FORMS.slice(0, 3))(
    '%s, with concurrent charges of both roles',
    async (_, granted, statements) => {
      await withRole(granted, statements, async ({ database, credits }) => {
        const both = [database.credits, credits]
        const calls = Array.from({ length: 40 }, (_, at) =>
          both[at % 2].createMediaTask(task(`t${at}`, 'u'), 1).then(
            () => 'created',
            ({ code }) => code,
          ),
        )
        const came = await Promise.all(calls)
        expect(came.filter((code) => code === 'created')).toHaveLength(10)
        expect(new Set(came)).toEqual(new Set(['created', 'INSUFFICIENT_CREDITS']))
        expect(await violations(database)).toEqual([])
      })
    },
  )

  test('and calls for one user run one after the other', async () => {
    await withRole(
      { user: 'SELECT' },
      () => [],
      async ({ database, credits }) => {
        const { createMediaTask, refundCredits, consumeCredits, createCredit } = credits
        await createMediaTask(task('t', 'u'), 1)
        const charge = await consumeCredits({ userId: 'u', credits: 1 })
        // Like another process of this role.
        await database.run('BEGIN', "SELECT pg_advisory_xact_lock(hashtextextended('u', 7163217633))")
        for (const call of [
          () => consumeCredits({ userId: 'u', credits: 1 }),
          () => refundCredits(charge.id),
          () => credits.updateMediaTaskById('t', { status: 'failed' }),
          () => createCredit({ userId: 'u', credits: 1 }),
        ]) {
          await expect(call()).rejects.toMatchObject({ code: 'DATABASE_BUSY' })
        }
        await database.sql('ROLLBACK')
        expect(await refundCredits(charge.id)).toMatchObject({ refund: { credits: 1 } })
        expect(await violations(database)).toEqual([])
      },
      { busyTimeoutMs: 200 },
    )
  })
})

describe('an error names what a role lacks, and nothing is written:', () => {
  const charge = ({ consumeCredits }) => consumeCredits({ userId: 'u', credits: 1 })
  const create = ({ createMediaTask }) => createMediaTask(task('t', 'u'), 1)
  const balance = ({ getRemainingCredits }) => getRemainingCredits('u')

  const LACKS = [
    [
      'SELECT on credit',
      [{ credit: null }],
      balance,
      /SELECT on table credit; run: GRANT SELECT ON "credit"/,
    ],
    ['UPDATE on credit', [{ credit: 'SELECT, INSERT' }], charge, /GRANT UPDATE ON "credit"/],
    ['INSERT on credit', [{ credit: 'SELECT, UPDATE' }], charge, /GRANT INSERT ON "credit"/],
    [
      'UPDATE of some columns',
      [{ credit: 'SELECT, INSERT, UPDATE (status, metadata)' }],
      charge,
      /GRANT UPDATE \("credits", "remaining_credits", "updated_at", "consumed_detail"\) ON "credit"/,
    ],
    ['SELECT on user', [{ user: null }], charge, /GRANT SELECT ON "user"/],
    ['INSERT on media_tasks', [{ media_tasks: 'SELECT' }], create, /GRANT INSERT ON "media_tasks"/],
    [
      'UPDATE on media_tasks',
      [{ media_tasks: 'SELECT' }],
      ({ updateMediaTaskById }) => updateMediaTaskById('t', { progress: 1 }),
      /GRANT UPDATE ON "media_tasks"/,
    ],
    [
      'UPDATE on user, for a free trial',
      [{ user: 'SELECT' }],
      ({ createMediaTask }) =>
        createMediaTask({ ...task('t', 'u'), isFreeTrial: true }, 0, { freeTrialLimit: 1 }),
      /GRANT UPDATE \("free_trial_used"\) ON "user"|GRANT UPDATE ON "user"/,
    ],
    ['any policy on credit', [{}, () => secured('credit')], balance, /no policy for SELECT by role/],
    [
      'a policy for UPDATE',
      [{}, () => secured('credit', 'SELECT', 'INSERT')],
      charge,
      /CREATE POLICY .* FOR UPDATE/,
    ],
    [
      'a policy for INSERT',
      [{}, () => secured('credit', 'SELECT', 'UPDATE')],
      charge,
      /CREATE POLICY .* FOR INSERT/,
    ],
    [
      'any policy on user',
      [{}, () => secured('user')],
      charge,
      /security of table user has no policy for SELECT/,
    ],
    ['a policy on media_tasks', [{}, () => secured('media_tasks', 'SELECT')], create, /no policy for INSERT/],
  ]

  test.each(LACKS)('%s', async (_, [granted, statements = () => []], call, said) => {
    await withRole(granted, statements, async ({ database, credits, url }) => {
      const error = await refusal(database, () => call(credits))
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '42501', retryable: false })
      expect(error.message).toMatch(said)
      const { json } = await cliOn({ url }, 'doctor', '--json')
      const checks = json.checks.filter(({ name }) => name === 'privileges').map(({ message }) => message)
      expect(checks.join()).toMatch(said)
      // The statement in the advice works at once.
      const [, advice] = error.message.match(/((GRANT|CREATE POLICY) .*;)/)
      await database.run(advice)
      const after = await call(credits).catch(({ message }) => message)
      if (typeof after === 'string') expect(after).not.toMatch(said)
    })
  })

  test('a policy that hides some rows', async () => {
    const hiding = [
      ...secured('credit', 'SELECT', 'INSERT'),
      `CREATE POLICY partly ON credit FOR UPDATE USING (true) WITH CHECK (remaining_credits > 5)`,
    ]
    await withRole(
      {},
      () => hiding,
      async ({ database, credits }) => {
        const error = await refusal(database, () => credits.consumeCredits({ userId: 'u', credits: 8 }))
        expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '42501' })
        expect(error.message).toContain('row-level security policy')
      },
    )
  })
})
