'use strict'

const { execFile } = require('node:child_process')
const path = require('node:path')
const { promisify } = require('node:util')
const { TestDatabase } = require('../helpers/database')

const MODULE = JSON.stringify(path.join(__dirname, '../..'))

/** How a worker thread ends, after its calls. */
const ENDS = [
  ['by itself, with an open connection', ''],
  ['by itself, with a closed connection', '.then(() => credits.close())'],
  ['by process.exit', '.then(() => process.exit())'],
]

describe('a process whose worker threads alone load the package, again and again, two at once,', () => {
  test.each(ENDS)('goes on after each thread has ended %s', async (_, end) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const worker = `
      const credits = require(${MODULE}).connect({ url: ${JSON.stringify(database.url)} })
      const calls = Array.from({ length: 20 }, () => credits.getRemainingCredits('u'))
      Promise.all([credits.consumeCredits({ userId: 'u', credits: 1 }), ...calls])${end}`
    const source = `
      const { Worker } = require('node:worker_threads')
      const ended = () => new Promise((resolve, reject) => {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
        worker.on('error', reject)
        worker.on('exit', resolve)
      })
      ;(async () => {
        for (let round = 0; round < 5; round++) await Promise.all([ended(), ended()])
        console.log('done')
      })()`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', source])
    expect(stdout.trim()).toBe('done')
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })
})
