'use strict'

/** A server of libSQL has one lock: a process has one batch that writes on its way, and what comes meanwhile goes together. */

const { counted, staysSound } = require('../helpers/calls')
const { task } = require('../helpers/database')
const { through } = require('../helpers/libsql-proxy')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const [CALLERS, USERS, TASKS_EACH] = [64, 20, 5]

describeWithSqld('batches that write', () => {
  test(`${CALLERS} callers, ${USERS} users: one at a time, with many requests each`, async () => {
    const { database, proxy, credits } = await through()
    for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 1000)
    const settled = []
    const caller = async (number) => {
      for (let at = 0; at < TASKS_EACH; at++) {
        const submitted = credits.createMediaTask(task(`t${number}-${at}`, `u${(number + at) % USERS}`), 1)
        settled.push(...(await Promise.allSettled([submitted])))
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)))
    expect(counted(settled)).toEqual({ accepted: CALLERS * TASKS_EACH })
    expect([proxy.mostWrites, proxy.writesNow]).toEqual([1, 0])
    expect(proxy.writes).toBeLessThan((CALLERS * TASKS_EACH) / 8)
  })
})
