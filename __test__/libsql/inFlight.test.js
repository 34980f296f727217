'use strict'

/** A libSQL server has one lock: a process has one write batch under way, and calls that arrive meanwhile share the next. */

const { counted, staysSound } = require('../helpers/calls')
const { task } = require('../helpers/database')
const { through } = require('../helpers/libsql-proxy')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const [CALLERS, USERS, TASKS_EACH] = [64, 20, 5]

describeWithSqld('batches that write', () => {
  test(`of ${CALLERS} callers and ${USERS} users are sent one at a time, with many requests each`, async () => {
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
