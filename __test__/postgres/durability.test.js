'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')

/** Each new row of `credit` records the synchronous_commit of its transaction. */
const TELLING = [
  `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.description := current_setting('synchronous_commit'); RETURN NEW; END $$`,
  'CREATE TRIGGER tell BEFORE INSERT ON credit FOR EACH ROW EXECUTE FUNCTION tell()',
]

describe('a commit is answered when it is on the disk:', () => {
  test.each([
    ['off', 'on'],
    ['on', 'on'],
    ['local', 'local'],
    ['remote_write', 'remote_write'],
    ['remote_apply', 'remote_apply'],
  ])('synchronous_commit is %s by default, and %s for a write', async (byDefault, expected) => {
    const database = await TestDatabase.fresh()
    await database.run(
      ...TELLING,
      `ALTER DATABASE ${database.store.name} SET synchronous_commit = '${byDefault}'`,
    )
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u'), 1)
    await database.credits.consumeCredits({ userId: 'u', credits: 1 })
    const rows = await database.sql('SELECT DISTINCT description FROM credit')
    expect(rows).toEqual([{ description: expected }])
    const { durability } = await database.credits.getDiagnostics()
    expect(durability.synchronousCommit).toBe(byDefault)
  })

  test('doctor reports that the default of the server differs', async () => {
    const database = await TestDatabase.fresh()
    await database.sql(`ALTER DATABASE ${database.store.name} SET synchronous_commit = 'off'`)
    const { durability } = await database.credits.getDiagnostics()
    const { json } = await cliOn(database, 'doctor', '--json')
    expect(json.diagnostics.durability).toEqual(durability)
    expect(durability.synchronousCommit).toBe('off')
    expect(json.checks).toContainEqual(expect.objectContaining({ name: 'durability', status: 'ok' }))
  })
})
