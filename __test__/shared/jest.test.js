'use strict'

const path = require('node:path')
const { TestDatabase } = require('../helpers/database')
const { runJest } = require('../helpers/jest')

// An app's own tests: each file has its own realm and loads the package again, and none of them closes what
// it has opened.

const NAMES = ['a', 'b', 'c']

const source = (id) => `
  const credits = require(${JSON.stringify(path.join(__dirname, '../..'))})
  const { createMediaTask, updateMediaTaskById } = credits.connect({ url: process.env.DATABASE_URL })
  credits.on('charged', () => {})
  test('an app charges and refunds in Jest', async () => {
    await credits.createMediaTask({ id: '${id}', userId: 'u', platform: 'youtube', videoUrl: 'x' }, 10)
    await updateMediaTaskById('${id}', { status: 'failed' })
  })`

/** Runs them. Returns Jest's exit code and its output. */
async function inJest(...args) {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const files = Object.fromEntries(NAMES.map((name) => [name, source(name)]))
  // A worker may take long to end on a busy machine.
  const config = { workerGracefulExitTimeout: 20_000 }
  const result = runJest(files, { args, config, env: { DATABASE_URL: database.url } })
  expect(await database.credits.getRemainingCredits('u')).toBe(100)
  return result
}

const PASSED = { status: 0, stderr: expect.stringMatching(/^Tests: +3 passed, 3 total$/m) }

describe('test files of an app that load the package and never close it', () => {
  test('let their workers end, and free the memory of each file', async () => {
    const { status, stderr } = await inJest('--maxWorkers=2', '--detectLeaks')
    expect({ status, stderr }).toEqual(PASSED)
    expect(stderr).not.toContain('exit gracefully')
  })

  test('leave no open handle', async () => {
    const { status, stderr } = await inJest('--detectOpenHandles')
    expect({ status, stderr }).toEqual(PASSED)
    expect(stderr).not.toContain('open handle')
  })
})
