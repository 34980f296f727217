'use strict'

/** A server that is killed and started again under load: what was acknowledged is written, and nothing else but what is unknown. */

const { TestDatabase, task } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')

staysSound()

const [RESTARTS, CALLERS, USERS] = [4, 12, 5]
const OPTIONS = { statementTimeoutMs: 20_000, connectTimeoutMs: 10_000 }
/** The codes of a call that has written nothing, and of one that may have. */
const [REFUSALS, UNKNOWN] = [['DATABASE_BUSY', 'DATABASE_UNAVAILABLE'], 'OUTCOME_UNKNOWN']

test(`${CALLERS} callers of a server that is killed ${RESTARTS} times: each acknowledged task is written`, async () => {
  const database = await TestDatabase.fresh(OPTIONS)
  for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 1_000_000)
  const [created, unknown] = [[], []]
  let isOver = false
  let onCreated = () => {}
  const submit = async (id, userId) => {
    const made = database.credits.createMediaTask(task(id, userId), 1)
    const code = await made.then(
      () => undefined,
      (error) => error.code,
    )
    if (!code) created.push(id)
    else if (code === UNKNOWN) unknown.push(id)
    else expect(REFUSALS).toContain(code)
    onCreated()
  }
  const caller = async (number) => {
    try {
      for (let at = 0; !isOver; at++) {
        await submit(`t${number}-${at}`, `u${at % USERS}`)
        // While nothing listens a call fails at once.
        await new Promise(setImmediate)
      }
    } finally {
      isOver = true
    }
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)))
  const more = () => {
    const enough = created.length + 50
    const reached = new Promise((resolve) => {
      onCreated = () => created.length < enough || resolve()
    })
    return Promise.race([reached, callers])
  }
  await more()
  for (let at = 0; at < RESTARTS; at++) {
    await database.store.server.restart()
    await more()
  }
  isOver = true
  await callers

  const rows = await database.sql('SELECT id FROM media_tasks WHERE credit_id IS NOT NULL')
  const written = new Set(rows.map(({ id }) => id))
  expect(created.filter((id) => !written.has(id))).toEqual([])
  const open = new Set([...created, ...unknown])
  expect([...written].filter((id) => !open.has(id))).toEqual([])
}, 120_000)
