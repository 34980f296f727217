'use strict'

/**
 * The main flows on a copy of a real app's database: concurrent submits with too few credits for all, failures that
 * refund, a translation that fails. Prints the ledger before and after each step, and checks it at the end.
 */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { connect } = require('..')

const FIXTURE = path.join(__dirname, '../__test__/fixtures/shipany.sqlite')
const DAY_MS = 86_400_000

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-demo-'))
  fs.copyFileSync(FIXTURE, path.join(folder, 'local.db'))
  const credits = connect({ url: `file:${folder}/local.db` })
  try {
    await run(credits)
  } finally {
    await credits.close()
    fs.rmSync(folder, { recursive: true })
  }
}

async function run(credits) {
  const userId = await poorestUser(credits)
  await topUp(credits, userId, 50)
  const { path: file, journalMode, timestampUnit } = await credits.getDiagnostics()
  console.log(
    `A copy of a real app's database: ${path.basename(file)}, ${journalMode}, times in ${timestampUnit}`,
  )
  await show(credits, userId, 'Before')

  const tasks = await submitAtOnce(credits, userId, 8)
  await show(credits, userId, 'After 8 submits of 10 credits at once')

  await Promise.all(tasks.slice(0, 2).flatMap((task) => [1, 2, 3, 4].map(() => fail(credits, task))))
  await show(credits, userId, 'After 2 tasks failed, each reported 4 times at once')

  await failTranslation(credits, userId, tasks[2])
  await show(credits, userId, 'After a translation of 5 credits failed')

  const problems = await check(credits, userId)
  if (problems.length) throw new Error(`the ledger is broken: ${problems.join('; ')}`)
  console.log(
    'The ledger is whole: what left the grants is what active charges drew, and nothing is below 0.',
  )
}

/** The user with the smallest balance among those whose ledger has no errors: the old code left some with errors. */
async function poorestUser(credits) {
  const userIds = new Set((await credits.getCredits({ limit: 1000 })).map((row) => row.userId))
  let poorest = { balance: Infinity }
  for (const userId of userIds) {
    const balance = await credits.getRemainingCredits(userId)
    const whole = (await check(credits, userId)).length === 0
    if (whole && balance < poorest.balance) poorest = { userId, balance }
  }
  return poorest.userId
}

/** Adds two grants, so that the user has this balance: one expires, the other never does. */
async function topUp(credits, userId, balance) {
  const missing = balance - (await credits.getRemainingCredits(userId))
  await credits.createCredit({
    userId,
    credits: missing - 1,
    transactionScene: 'gift',
    description: 'gift, gone in 7 days',
    expiresAt: new Date(Date.now() + 7 * DAY_MS),
  })
  await credits.createCredit({
    userId,
    credits: 1,
    transactionScene: 'payment',
    description: 'never expires',
  })
}

async function submitAtOnce(credits, userId, count) {
  const submits = Array.from({ length: count }, () => {
    const id = crypto.randomUUID()
    const task = {
      id,
      userId,
      platform: 'youtube',
      videoUrl: `https://youtu.be/${id}`,
      outputType: 'subtitle',
    }
    return credits.createMediaTask(task, 10)
  })
  const settled = await Promise.allSettled(submits)
  const refused = settled.filter(({ status }) => status === 'rejected')
  console.log(
    `accepted ${count - refused.length}, refused ${refused.length}: "${refused[0].reason.message}"\n`,
  )
  return settled.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)
}

async function fail(credits, task) {
  await credits.updateMediaTaskById(task.id, {
    status: 'failed',
    errorMessage: 'the provider has no subtitles',
    progress: 0,
    creditId: task.creditId,
  })
}

async function failTranslation(credits, userId, task) {
  const charge = await credits.consumeCredits({
    userId,
    credits: 5,
    scene: 'payment',
    description: 'Subtitle translation: fr',
    metadata: { type: 'media-task-translation', taskId: task.id, targetLanguage: 'fr' },
  })
  await credits.updateMediaTaskById(task.id, { status: 'translating', targetLang: 'fr', creditId: charge.id })
  const { refund } = await credits.updateMediaTaskById(task.id, { status: 'failed', creditId: charge.id })
  console.log(`the translation gave ${refund.credits} back, the extraction stays charged\n`)
}

async function show(credits, userId, title) {
  console.log(`${title}: balance ${await credits.getRemainingCredits(userId)}`)
  const rows = await credits.getCredits({ userId, limit: 1000 })
  console.table(
    rows.reverse().map((row) => ({
      type: row.transactionType,
      credits: row.credits,
      left: row.transactionType === 'grant' ? row.remainingCredits : '',
      status: row.transactionType === 'consume' && row.status === 'deleted' ? 'refunded' : row.status,
      expires: row.expiresAt?.toISOString().slice(0, 10) ?? '',
      description: row.description,
    })),
  )
}

/** Lists the errors of a ledger: draws must add up to their charge, and to the credits that their grant has lost. */
async function check(credits, userId) {
  const rows = await credits.getCredits({ userId, limit: 1000 })
  const charges = rows.filter((row) => row.transactionType === 'consume' && row.status === 'active')
  const problems = []
  const drawn = new Map()
  for (const charge of charges) {
    const draws = JSON.parse(charge.consumedDetail)
    for (const { creditId, creditsConsumed } of draws) {
      drawn.set(creditId, (drawn.get(creditId) ?? 0) + creditsConsumed)
    }
    const sum = draws.reduce((total, draw) => total + draw.creditsConsumed, 0)
    if (sum !== -charge.credits) problems.push(`charge ${charge.id} of ${-charge.credits} drew ${sum}`)
  }
  for (const { id, credits: granted, remainingCredits: left } of rows.filter((row) => row.credits > 0)) {
    if (granted - left !== (drawn.get(id) ?? 0)) problems.push(`what left grant ${id} was not drawn`)
    if (left < 0 || left > granted) problems.push(`grant ${id} has ${left} of ${granted} left`)
  }
  return problems
}

main()
