'use strict'

const { connect } = require('../..')
const { entriesOf } = require('../helpers/books')
const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { FAIL, HOUR_AGO, add, afterLife, consume, create, fail, inWords, later } = require('../helpers/lives')

TestDatabase.reuse()

describe('getStatement pages', () => {
  /** User `u` has entries of all types; many have the same time. */
  async function withMany() {
    const database = await TestDatabase.fresh()
    await database.user('u', 100, { credits: 50, expiresAt: HOUR_AGO }, 30)
    const { createMediaTask, updateMediaTaskById, settleMediaTask } = database.credits
    const ids = Array.from({ length: 12 }, (_, at) => `t${at}`)
    await Promise.all(ids.map((id) => createMediaTask(task(id, 'u'), 5)))
    const ends = [(id) => updateMediaTaskById(id, FAIL), (id) => settleMediaTask(id, 2), () => {}]
    await Promise.all(ids.map((id, at) => ends[at % 3](id)))
    return { database, ...database.credits }
  }

  test('of each length give the same list', async () => {
    const { getStatement, ...credits } = await withMany()
    const { entries: all, cursor } = await getStatement('u')
    expect(cursor).toBeNull()
    expect(all.length).toBeGreaterThan(20)
    for (let limit = 1; limit <= all.length + 1; limit++) {
      expect(await entriesOf({ getStatement, ...credits }, 'u', { limit })).toEqual(all)
    }
    const whole = await getStatement('u', { limit: all.length })
    expect(whole).toEqual({ entries: all, openingBalance: 0, cursor: null })
  })

  test('neither repeat nor hide an entry while new ones come', async () => {
    const { getStatement, createMediaTask, updateMediaTaskById } = await withMany()
    const { entries: before } = await getStatement('u')
    await later()
    const seen = []
    let cursor
    for (let at = 0; cursor !== null; at++) {
      const page = await getStatement('u', { limit: 4, cursor })
      seen.push(...page.entries)
      cursor = page.cursor
      // New entries for each page.
      if (at > 5) continue
      await createMediaTask(task(`new ${at}`, 'u'), 1)
      if (at % 2) await updateMediaTaskById(`new ${at}`, FAIL)
    }
    expect(seen.slice(0, before.length)).toEqual(before)
    expect(seen).toEqual((await getStatement('u')).entries)
    expect(seen.length).toBeGreaterThan(before.length)
  })

  test('continue after their last entry was deleted', async () => {
    const { database, entries } = await afterLife(create(10), consume(5), add(3))
    const { getStatement } = database.credits
    const { cursor } = await getStatement('u', { limit: 2 })
    await database.sql('DELETE FROM media_tasks')
    await database.sql('DELETE FROM credit WHERE id = ?', entries[1].creditId)
    const page = await getStatement('u', { cursor })
    // No row explains ten credits of the first grant any more.
    expect(inWords(page.entries)).toEqual(['charge -5', 'adjustment -10', 'grant 3'])
    expect(page.entries.at(-1).balance).toBe(await database.credits.getRemainingCredits('u'))
  })

  test.each([1, 254, 255])('have a cursor with an id of %d characters', async (length) => {
    const database = await TestDatabase.fresh()
    const ids = ['a', 'b'].map((letter) => letter.repeat(length))
    await database.user('u', ...ids.map((id) => ({ id, credits: 5 })))
    const entries = await entriesOf(database.credits, 'u', { limit: 1 })
    expect(entries.map(({ creditId }) => creditId)).toEqual(ids)
  })

  test.each([
    ['spaces', 'a b  c'],
    ['another script', 'id-名前-🙂'],
    ['words of a cursor', '1 grant x'],
    ['a quote', `'"\\`],
  ])('have a cursor for an id with %s', async (_, id) => {
    const database = await TestDatabase.fresh()
    await database.user('u', { id, credits: 5 }, 6)
    const entries = await entriesOf(database.credits, 'u', { limit: 1 })
    // Possibly with the same time, then in the order of their ids.
    expect(entries.map(({ credits }) => credits).sort()).toEqual([5, 6])
  })

  test.each([
    ['begins a new page after what it names', '0 grant x', 5],
    ['ends the list', `${8.64e15} revocation x`, 0],
  ])('a cursor that no call gave %s', async (_, cursor, count) => {
    const { database } = await afterLife(create(10), consume(5), add(3), add(4))
    const { entries } = await database.credits.getStatement('u', { cursor })
    expect(entries.length).toBe(count)
  })

  describe('between two times', () => {
    test('have the entries from the first time on and before the second', async () => {
      const { database, entries } = await afterLife(create(10), add(5), fail(), add(1))
      const { getStatement } = database.credits
      const times = [HOUR_AGO, ...entries.map(({ at }) => at), new Date(Date.now() + DAY_MS)]
      for (const from of [undefined, ...times]) {
        for (const to of [undefined, ...times]) {
          const expected = entries.filter(({ at }) => (!from || at >= from) && (!to || at < to))
          const before = entries.filter(({ at }) => from && at < from)
          const page = await getStatement('u', { from, to })
          expect(page).toEqual({
            entries: expected,
            openingBalance: before.at(-1)?.balance ?? 0,
            cursor: null,
          })
          expect(await entriesOf(database.credits, 'u', { from, to, limit: 1 })).toEqual(expected)
        }
      }
    })

    test('of consecutive months add up to the whole statement', async () => {
      const { database, entries } = await afterLife(create(10), add(5), fail(), add(1), consume(50))
      const { getStatement } = database.credits
      const [first, last] = [entries[0].at.getTime(), entries.at(-1).at.getTime()]
      const middle = new Date((first + last) / 2)
      const [early, late] = [
        await getStatement('u', { to: middle }),
        await getStatement('u', { from: middle }),
      ]
      expect([...early.entries, ...late.entries]).toEqual(entries)
      expect(late.openingBalance).toBe(early.entries.at(-1).balance)
    })
  })
})

test('getStatement changes nothing, and waits for no other call', async () => {
  const { database } = await afterLife(create(10), fail())
  const before = await database.everything()
  const second = connect({ url: database.url })
  const calls = Array.from({ length: 30 }, () => second.getStatement('u'))
  const pages = await Promise.all(calls)
  expect(new Set(pages.map(({ entries }) => entries.length))).toEqual(new Set([3]))
  expect(await database.everything()).toEqual(before)
  await second.close()
})
