'use strict'

/**
 * Checks that the addon works on this machine: it loads, creates tables, charges and refunds, on SQLite.
 *
 * node scripts/smoke.js [folder of the package]
 */

const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const FIXTURE = path.join(ROOT, '__test__/fixtures/shipany.sqlite')

const HOUR_MS = 3_600_000

const { MediaCreditsError, connect } = require(path.resolve(process.argv[2] ?? ROOT))

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-smoke-'))
  try {
    await makesTables(path.join(folder, 'new.db'))
    fs.copyFileSync(FIXTURE, path.join(folder, 'app.db'))
    await chargesAndRefunds(path.join(folder, 'app.db'))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
  console.log(`media-credits works on ${process.platform} ${process.arch}, Node ${process.versions.node}`)
}

async function makesTables(file) {
  const credits = connect({ url: file })
  await credits.createTables()
  const refused = await credits.createCredit({ userId: 'nobody', credits: 1 }).catch((error) => error)
  assert(refused instanceof MediaCreditsError)
  assert.equal(refused.code, 'USER_NOT_FOUND')
  await credits.close()
}

async function chargesAndRefunds(file) {
  const credits = connect({ url: file })
  const [{ userId }] = await credits.getCredits({ limit: 1 })
  // The grant that expires first is drawn on first.
  await credits.createCredit({ userId, credits: 50, expiresAt: new Date(Date.now() + HOUR_MS) })
  const before = await credits.getRemainingCredits(userId)
  const task = {
    id: 'smoke',
    userId,
    platform: 'youtube',
    videoUrl: 'https://youtu.be/x',
    outputType: 'video',
  }
  await credits.createMediaTask(task, 10)
  assert.equal(await credits.getRemainingCredits(userId), before - 10)
  await credits.updateMediaTaskById('smoke', { status: 'failed', errorMessage: 'smoke' })
  assert.equal(await credits.getRemainingCredits(userId), before)
  await credits.close()
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
