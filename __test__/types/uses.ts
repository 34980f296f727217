// Code of an app. It must compile; nothing here runs.

import * as defaults from 'media-credits'
import {
  auditLedger,
  connect,
  consumeCredits,
  createCredit,
  createMediaTask,
  createMediaTasks,
  findMediaTaskById,
  getBalance,
  getCredits,
  getCreditsCount,
  getMediaTaskHistory,
  getStatement,
  MediaCredits,
  MediaCreditsError,
  updateMediaTaskById,
  within,
} from 'media-credits'
import type {
  AuditProgress,
  ConnectOptions,
  Credit,
  Draw,
  LedgerFinding,
  MediaTask,
  MediaTaskPage,
  NewCredit,
  NewMediaTask,
  OwnTransaction,
  Refund,
  Repair,
  Replayable,
  Settled,
  Statement,
  StatementEntry,
  Stats,
  UpdateMediaTask,
  WithinTransaction,
} from 'media-credits'
import type { AppCredit, AppMediaTask, AppNewMediaTask } from './app-rows.js'
import { createMediaTask as fromTheModel, type MediaTask as ModelTask } from './app-model.js'

// A column that the app has added, named once.
declare module 'media-credits' {
  interface MediaTask {
    rewrittenScripts: string[] | null
  }
}

/** Compiles if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<_A, _B>(_: Same<_A, _B>) {}

// ---- The app's routes ----

export async function submit(id: string, userId: string, url: string, outputType: 'subtitle' | 'video') {
  const newTask: NewMediaTask = {
    id,
    userId,
    platform: url.includes('tiktok') ? 'tiktok' : 'youtube',
    videoUrl: url,
    status: 'pending',
    progress: 0,
    outputType,
    targetLang: undefined,
    isFreeTrial: false,
  }
  const task = await createMediaTask(newTask, outputType === 'video' ? 15 : 10)
  same<typeof task, Replayable<MediaTask>>(true)
  return task.id
}

export async function fail(task: MediaTask, error: unknown) {
  const failed = await updateMediaTaskById(task.id, {
    status: 'failed',
    errorMessage: error instanceof Error ? error.message : 'unknown',
    progress: 0,
    creditId: task.creditId || null,
  })
  if (!failed) return 0
  same<typeof failed.refund, Refund | undefined>(true)
  const lost = failed.refund?.skipped.filter(({ reason }) => reason === 'grant-not-found')
  return (failed.refund?.spendable ?? 0) + (lost?.length ?? 0)
}

export async function translate(userId: string, taskId: string, targetLanguage: string) {
  const charge = await consumeCredits({
    userId,
    credits: 5,
    scene: 'payment',
    description: `Subtitle translation: ${targetLanguage}`,
    metadata: JSON.stringify({ type: 'media-task-translation', taskId, targetLanguage }),
  })
  const patch: UpdateMediaTask = { status: 'translating', progress: 0, creditId: charge.id || null }
  patch.targetLang = targetLanguage
  await updateMediaTaskById(taskId, patch)
  const draws: Draw[] = JSON.parse(charge.consumedDetail ?? '[]')
  return draws.map((draw) => draw.creditsConsumed)
}

export async function status(id: string) {
  const task = await findMediaTaskById(id)
  return task?.status === 'completed' ? task.updatedAt.toISOString() : null
}

export async function history(userId: string) {
  const page: MediaTaskPage = await getMediaTaskHistory(userId)
  const second = await getMediaTaskHistory(userId, 2, 50)
  return [...page.list, ...second.list].map((task) => task.publishedAt?.getTime())
}

// The app's enums can be used beside this package's words.
enum CreditStatus {
  ACTIVE = 'active',
}
enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

export async function grants(id: string, userId: string) {
  const newCredit: NewCredit = {
    id,
    userId,
    userEmail: 'a@example.com',
    orderNo: '',
    transactionNo: '89105903313850101',
    transactionType: CreditTransactionType.GRANT,
    transactionScene: 'gift',
    credits: 100,
    remainingCredits: 100,
    expiresAt: new Date(),
    status: CreditStatus.ACTIVE,
  }
  const grant: Credit = await createCredit(newCredit)
  await createCredit({ userId, credits: 10, metadata: { campaign: 'spring' } })
  await consumeCredits({ userId, credits: 1, scene: null, metadata: { a: [1] }, transactionNo: '7' })
  const rows = await getCredits({ userId, status: CreditStatus.ACTIVE, page: 1, limit: 30 })
  const total = await getCreditsCount({ userId, transactionType: CreditTransactionType.CONSUME })
  return [grant, ...rows, ...(await getCredits())].length + total + (await getCreditsCount())
}

// ---- Errors ----

export function answer(error: unknown) {
  if (!(error instanceof MediaCreditsError)) throw error
  switch (error.code) {
    case 'INSUFFICIENT_CREDITS':
      same<typeof error.required, number | undefined>(true)
      return `Required: ${error.required}, Available: ${error.available}`
    case 'USER_NOT_FOUND':
      return `No user ${error.userId}`
    case 'DATABASE_BUSY':
    case 'DATABASE_ERROR':
      return error.retryable ? 'Try again' : error.databaseCode
    default:
      return error.message
  }
}

// ---- The app's own columns ----

export async function rewritten(id: string) {
  await createMediaTask({ id, userId: 'u', platform: 'youtube', videoUrl: 'v', rewrittenScripts: ['a'] }, 0)
  const task = await updateMediaTaskById(id, { rewrittenScripts: null })
  return task?.rewrittenScripts?.join()
}

// ---- Connections ----

const options: ConnectOptions = { url: 'file:data/local.db', durability: 'normal', timestampUnit: 'ms' }

export async function plain() {
  const db: MediaCredits = connect(options)
  same<typeof db, MediaCredits<MediaTask, Credit>>(true)
  const { createMediaTask, close } = db
  await createMediaTask({ id: 't', userId: 'u', platform: 'youtube', videoUrl: 'v' }, 10)
  await db.createTables()
  const found = await db.getDiagnostics()
  const counted: Stats = await db.stats()
  await close()
  const mode =
    found.storage === 'sqlite' ? found.journalMode : found.storage === 'libsql' ? found.host : found.isolation
  const indexed: (string | null)[] = found.tables.flatMap(({ indexes }) =>
    indexes.flatMap(({ columns }) => columns),
  )
  if (indexed.includes(null)) return ''
  const waits =
    counted.storage === 'sqlite'
      ? counted.locks.waits
      : counted.storage === 'libsql'
        ? counted.roundTrips
        : counted.connections.waits
  const refused = counted.operations.createMediaTask?.refused.INSUFFICIENT_CREDITS ?? 0
  const numbers: number = waits.p99Ms + refused + counted.queue.queued + counted.startedAt.getTime()
  return db instanceof MediaCredits ? mode : numbers
}

export async function drizzle(newTask: AppNewMediaTask) {
  const db = connect<AppMediaTask, AppCredit>({ url: undefined, maxQueue: 100, busyTimeoutMs: 1000 })
  const task: AppMediaTask = await db.createMediaTask(newTask, 10)
  const updated = await db.updateMediaTaskById(task.id, { scenes: [{ at: 1 }], title: null })
  const scenes = updated?.scenes?.map(({ at }) => at)
  const charge: AppCredit = await db.consumeCredits({ userId: task.userId, credits: 5 })
  const grant = await db.createCredit({ userId: task.userId, credits: 5, tenant: 'a' })
  const page = await db.getMediaTaskHistory(task.userId)
  same<(typeof page.list)[number], AppMediaTask>(true)
  // Rows can be assigned between this package's types and Drizzle's if the columns are the same.
  const found: Omit<AppMediaTask, 'scenes'> | undefined = await findMediaTaskById(task.id)
  const own: Credit = charge
  return [scenes, grant.tenant, found?.title, own.status]
}

// The app's own type of a patch, as its models declare it.
export async function update(id: string, patch: Partial<Omit<AppNewMediaTask, 'id' | 'createdAt'>>) {
  return connect<AppMediaTask>().updateMediaTaskById(id, patch)
}

// ---- In place of the app's model ----

export async function replaced(): Promise<ModelTask> {
  return fromTheModel({ id: 't', userId: 'u', platform: 'youtube', videoUrl: 'v' }, 10)
}

// The module has all functions of a connection, with the same types.
type Functions = Pick<MediaCredits, keyof MediaCredits>
same<{ readonly [Name in keyof MediaCredits]: (typeof defaults)[Name] }, Functions>(true)

/** The life of a charge. */
export async function life(task: NewMediaTask) {
  const created = await createMediaTask(task, 10, { replay: true })
  if (created.replayed) return created.creditId
  await updateMediaTaskById(
    task.id,
    { status: 'processing' },
    { ifStatus: ['pending'], ifUpdatedBefore: new Date() },
  )
  const charged = await defaults.chargeMediaTask(
    task.id,
    { credits: 5, metadata: { type: 'media-task-translation', targetLanguage: 'fr' } },
    { status: 'translating' },
    { ifStatus: 'extracted' },
  )
  const settled = await defaults.settleMediaTask(task.id, 3, { refundPolicy: { regrantDays: 30 } })
  same<typeof settled, Settled<Credit> | undefined>(true)
  const more = await defaults.settleCredits('c', 12, { over: 'available', refundPolicy: 'source' })
  const hold = await defaults.consumeCredits({ userId: task.userId, credits: 5, holdUntil: new Date() })
  same<Awaited<ReturnType<typeof defaults.keepCharge>>, Credit>(true)
  const released = await defaults.releaseHolds({ limit: 10, refundPolicy: 'source' })
  const gone: string[] = [hold.id, ...released.charges.map(({ transactionNo }) => transactionNo)]
  const lacks: number = more.collected + more.uncollected
  const expires: Date | undefined = settled?.refund.regranted?.expiresAt
  const anew: string[] | undefined = settled?.refund.regranted?.grants?.map(({ creditId }) => creditId)
  const { tasks, errors } = await defaults.failStuckMediaTasks({ olderThanMs: 60_000, errorMessage: 'late' })
  const codes = errors.map(({ error }) => error.code)
  const each = await createMediaTasks([{ task, costCredits: 10 }])
  const ids = each.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.id] : []))
  const all = await createMediaTasks([{ task, costCredits: 10 }], { atomic: true })
  same<typeof all, Replayable<MediaTask>[]>(true)
  const { sufficient, nextExpiry } = await defaults.quoteCredits(task.userId, 10)
  const moved = await books(task.userId)
  const ai = await defaults.createAITask({
    id: 'a',
    userId: task.userId,
    mediaType: 'image',
    provider: 'p',
    model: 'm',
    prompt: 'a cat',
    options: { width: 512 },
    status: 'pending',
    costCredits: 8,
    scene: 'text-to-image',
  })
  await defaults.updateAITaskById(ai.id, { status: 'success', taskResult: { url: 'u' } })
  return {
    charged,
    lacks,
    gone,
    expires,
    anew,
    tasks,
    codes,
    ids,
    sufficient,
    moved,
    when: nextExpiry?.expiresAt,
  }
}

async function books(userId: string) {
  const { credits, grants } = await getBalance(userId)
  const held: number = grants.reduce((sum, { remaining }) => sum + remaining, 0)
  const entries: StatementEntry[] = []
  let cursor: string | undefined
  do {
    const page = await getStatement(userId, { from: new Date(0), to: new Date(), cursor, limit: 50 })
    same<typeof page, Statement>(true)
    entries.push(...page.entries)
    cursor = page.cursor ?? undefined
  } while (cursor)
  const tasks = entries.flatMap(({ type, task }) =>
    type === 'charge' && task?.kind === 'media' ? [task.id] : [],
  )
  const told: number[] = []
  const onProgress = ({ users, rows, totalRows }: AuditProgress) => told.push(users, rows / totalRows)
  for await (const finding of auditLedger({ userId, limit: 5, onProgress })) {
    same<typeof finding, LedgerFinding>(true)
    const minted: number | undefined = finding.numbers.minted
    if (finding.kind === 'refunded-more-than-once') told.push(minted ?? 0)
  }
  const repair = await connect().repairLedger({ userId, apply: true })
  same<typeof repair, Repair>(true)
  const expires = repair.changes.flatMap(({ column, after }) => (column === 'expiresAt' ? [after] : []))
  return { credits, held, tasks, told, expires }
}

// ---- Events ----

export function events(own = connect<AppMediaTask>()) {
  defaults.on('charged', ({ userId, credits, creditId, task, operation }) => {
    same<typeof creditId, string>(true)
    return [userId.length, credits + 1, task?.id ?? operation]
  })
  defaults.once('refunded', async ({ spendable, creditId }) => {
    same<typeof creditId, string | null>(true)
    return spendable
  })
  own.on('refused', ({ code, available }) => {
    return code === 'INSUFFICIENT_CREDITS' ? (available ?? 0) : undefined
  })
  const warn = ({ userId, balance, below }: defaults.BalanceLowEvent) => void [userId, below - balance]
  own.on('balance-low', { below: 20 }, warn)
  own.once('balance-low', { below: 20 }, warn)
  own.off('balance-low', warn)
  const { on } = own
  on('charged', ({ operation }) => operation)
}

/** The functions inside the app's own transaction. */
export async function inside(tx: object) {
  const credits: WithinTransaction = within(tx)
  const charge: Credit = await credits.consumeCredits({ userId: 'u', credits: 1 })
  const task: MediaTask | undefined = await credits.findMediaTaskById('t')
  await credits.createCredit({ userId: 'u', credits: 1, transactionNo: 'n' }, { replay: true })

  const own: OwnTransaction = { dialect: 'postgres', query: async (sql, params) => [[sql, params.length]] }
  const left: number = await connect().within(own).getRemainingCredits('u')

  await consumeCredits({ userId: 'u', credits: 1, tx })
  await createCredit({ userId: 'u', credits: 1, tx: undefined })
  await consumeCredits({ userId: 'u', credits: 1, tx: null })
  return { charge, task, left }
}
