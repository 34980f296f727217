'use strict'

const { cliOn } = require('../helpers/cli')
const { TestDatabase, aiTask, task } = require('../helpers/database')

TestDatabase.reuse()

describe('stuck', () => {
  /** A user with a task of each kind that was not updated for two hours. */
  async function silent() {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await database.credits.createAITask(aiTask('a', 'u', { costCredits: 20 }))
    const before = new Date(Date.now() - 2 * 3_600_000)
    for (const table of ['media_tasks', 'ai_task'])
      await database.sql(`UPDATE ${table} SET updated_at = ?`, before)
    return database
  }

  test('lists stuck tasks, and reports them by its exit code', async () => {
    const database = await silent()
    const { code, out } = await cliOn(database, 'stuck')
    expect(code).toBe(1)
    expect(out).toMatch(/^t +u +pending +[-\d]+ [:\d]+ +2 h$/m)
    expect(out).toMatch(/^1 stuck task, silent for more than 30 min\.$/m)
    const { json } = await cliOn(database, 'stuck', '--ai', '--json')
    expect(json.tasks).toMatchObject([{ id: 'a', userId: 'u', status: 'pending' }])
    const later = await cliOn(database, 'stuck', '--older-than', '3h')
    expect(later).toMatchObject({ code: 0, out: '0 stuck tasks, silent for more than 3 h.' })
    expect((await database.credits.findMediaTaskById('t')).status).toBe('pending')
  })

  test('fails and refunds stuck tasks', async () => {
    const database = await silent()
    const args = ['--fail', '--older-than', '1h']
    const { code, out } = await cliOn(database, 'stuck', ...args, '--message', 'timed out')
    expect(code).toBe(0)
    expect(out).toMatch(/^t +u +10$/m)
    expect(out).toMatch(/^1 task failed, 10 credits refunded\.$/m)
    const failed = { status: 'failed', errorMessage: 'timed out' }
    expect(await database.credits.findMediaTaskById('t')).toMatchObject(failed)
    const ai = await cliOn(database, 'stuck', ...args, '--ai', '--json')
    const refund = { credits: 20 }
    expect(ai).toMatchObject({ code: 0, json: { tasks: [{ id: 'a', refund }], credits: 20, errors: [] } })
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test('handles AI tasks if there is no media_tasks', async () => {
    const database = await silent()
    await database.sql('DROP TABLE media_tasks')
    const { json } = await cliOn(database, 'stuck', '--json')
    expect(json.tasks).toMatchObject([{ id: 'a' }])
    const failed = await cliOn(database, 'stuck', '--fail', '--older-than', '1h', '--json')
    expect(failed).toMatchObject({ code: 0, json: { tasks: [{ id: 'a' }], credits: 20 } })
    // AI tasks have no error message: none is failed without the message that was passed.
    const args = ['--fail', '--older-than', '1h', '--message', 'timed out']
    const { code, errors } = await cliOn(database, 'stuck', ...args)
    expect({ code, errors }).toEqual({ code: 3, errors: expect.stringContaining('media_tasks') })
  })

  test('names a task that can not be failed', async () => {
    const database = await silent()
    await database.sql("UPDATE credit SET consumed_detail = 'x' WHERE transaction_type = 'consume'")
    const args = ['stuck', '--fail', '--older-than', '1h']
    const { code, out } = await cliOn(database, ...args)
    expect(code).toBe(1)
    expect(out).toMatch(/^t +u +\S+/m)
    expect(out).toMatch(/^0 tasks failed, 0 credits refunded\.$/m)
    const { json } = await cliOn(database, ...args, '--json')
    expect(json.errors).toMatchObject([
      { id: 't', error: { code: 'CHARGE_CORRUPT', message: expect.any(String) } },
    ])
  })
})
