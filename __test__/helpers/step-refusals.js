'use strict'

const { staysSound, unchanging } = require('./calls')
const { TestDatabase, refusal } = require('./database')
const { KINDS } = require('./kinds')

/**
 * For a `describe` about further steps that are refused: user `u` has a task `t` of each kind, which cost 10 of 100
 * credits. `opened` gives the database. `isRefused` holds that a step of each kind is refused like this, of a task
 * that is there and of one that is not, and that nothing is written.
 */
function stepRefusals() {
  staysSound()

  const opened = unchanging(async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    for (const { create } of Object.values(KINDS)) await create(database.credits, 't', 10)
    return database
  })

  async function isRefused(expected, step) {
    const database = opened()
    for (const [kind, { type }] of Object.entries(KINDS)) {
      const call = (id) => database.credits[`charge${kind}`](id, ...step(type))
      const error = await refusal(database, () => call('t'))
      expect(error).toMatchObject({ retryable: false, ...expected })
      await expect(call('no task')).rejects.toMatchObject({ ...error })
    }
  }

  return { opened, isRefused }
}

module.exports = { stepRefusals }
