'use strict'

const fs = require('node:fs')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

/** Makes the file longer by some MB, and frees that space again. */
const fill = `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
  INSERT INTO ballast SELECT hex(randomblob(5000)) FROM n`
const empty = 'DELETE FROM ballast'

const SHRINKING = [
  ['VACUUM', 'none', ['VACUUM']],
  ['VACUUM and a checkpoint', 'none', ['VACUUM', 'PRAGMA wal_checkpoint(TRUNCATE)']],
  ['auto_vacuum', 'full', ['PRAGMA wal_checkpoint(TRUNCATE)']],
]

describe.each(['wal', 'keep'])(
  'a file that SQLite itself shortens is not reported as truncated (journal mode: %s):',
  (journalMode) => {
    test.each(SHRINKING)('%s, again and again under load', async (_, autoVacuum, shrink) => {
      const database = await TestDatabase.none({ journalMode })
      await database.run(`PRAGMA auto_vacuum = ${autoVacuum}`, 'CREATE TABLE ballast (text)')
      await database.credits.createTables()
      await database.user('u', 100_000)
      const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
      const lengths = new Set()
      let shrunk = 0
      let charged = 0
      const others = async () => {
        while (shrunk < 8) {
          await database.run(fill, empty)
          for (const one of shrink) await database.run(one)
          lengths.add(fs.statSync(database.file).size)
          shrunk++
        }
      }
      const charges = async (worker) => {
        for (let at = 0; shrunk < 8; at++) {
          const id = `${worker}-${at}`
          await createMediaTask(task(id, 'u', { subtitleRaw: 'x'.repeat(5000) }), 1)
          if (at % 2) await updateMediaTaskById(id, { status: 'failed', subtitleRaw: null })
          else charged++
          expect(await getRemainingCredits('u')).toBeLessThan(100_000)
        }
      }
      await Promise.all([others(), charges('a'), charges('b')])
      expect(lengths.size).toBeGreaterThan(1)
      expect(await getRemainingCredits('u')).toBe(100_000 - charged)
      expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
      expect(await violations(database)).toEqual([])
    })

    test('one that another program truncates afterwards is reported', async () => {
      const database = await TestDatabase.none({ journalMode })
      await database.sql('CREATE TABLE ballast (text)')
      await database.credits.createTables()
      await database.user('u', 100)
      await database.run(fill, empty, 'VACUUM', 'PRAGMA wal_checkpoint(TRUNCATE)')
      expect(await database.credits.getRemainingCredits('u')).toBe(100)
      fs.truncateSync(database.file, Math.floor(fs.statSync(database.file).size / 2))
      await expect(database.credits.getRemainingCredits('u')).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
        databaseCode: 'FILE_TRUNCATED',
      })
    })
  },
)
