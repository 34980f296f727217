// Code that must not compile: one error under each comment. Nothing here runs.

import {
  calculateCreditExpirationTime,
  connect,
  consumeCredits,
  createCredit,
  createMediaTask,
  CreditStatus,
  failStuckMediaTasks,
  findMediaTaskById,
  getCredits,
  getCreditsCount,
  getMediaTaskHistory,
  getRemainingCredits,
  MediaCredits,
  MediaCreditsError,
  updateMediaTaskById,
  within,
} from 'media-credits'
import type { Credit, MediaTask, NewCredit, NewMediaTask, OwnTransaction } from 'media-credits'
import type { AppMediaTask } from './app-rows.js'

const task = { id: 't', userId: 'u', platform: 'youtube', videoUrl: 'v' }
const db = connect()
const own = connect<AppMediaTask>()

export async function tasks(row: MediaTask, appRow: AppMediaTask) {
  // @ts-expect-error A cost is a number, not text.
  await createMediaTask(task, '10')
  // @ts-expect-error A cost is required, even if it is 0.
  await createMediaTask(task)
  // @ts-expect-error There is no such option.
  await createMediaTask(task, 10, { retry: true })
  // @ts-expect-error A guard on time is a Date.
  await updateMediaTaskById('t', {}, { ifUpdatedBefore: 1795380509258 })
  // @ts-expect-error The time after which a task is stuck is required.
  await failStuckMediaTasks({ errorMessage: 'timed out' })
  // @ts-expect-error The lifetime of a new grant is a number of days.
  connect({ refundPolicy: { regrantDays: '30' } })
  // @ts-expect-error A task needs its videoUrl.
  await createMediaTask({ id: 't', userId: 'u', platform: 'youtube' }, 10)
  // @ts-expect-error A task needs its id.
  await createMediaTask({ userId: 'u', platform: 'youtube', videoUrl: 'v' }, 10)
  // @ts-expect-error An id is never null.
  await createMediaTask({ ...task, id: null }, 10)
  // @ts-expect-error The table has no column videoURL.
  await createMediaTask({ ...task, videoURL: 'v' }, 10)
  // @ts-expect-error The table's names are not those of SQL.
  await createMediaTask({ ...task, output_type: 'video' }, 10)
  // @ts-expect-error A time is a Date, not a number.
  await createMediaTask({ ...task, publishedAt: 1767225600000 }, 10)
  // @ts-expect-error A time is a Date, not text.
  await createMediaTask({ ...task, expiresAt: '2026-01-01T00:00:00Z' }, 10)
  // @ts-expect-error A boolean is a boolean, not 0 or 1.
  await createMediaTask({ ...task, isFreeTrial: 1 }, 10)
  // @ts-expect-error Progress can't be null: leave it out.
  await createMediaTask({ ...task, progress: null }, 10)

  // @ts-expect-error A task keeps its id.
  await updateMediaTaskById('t', { id: 't2' })
  // @ts-expect-error A task keeps its user.
  await updateMediaTaskById('t', { userId: 'u2' })
  // @ts-expect-error A whole row is no patch: it has an id.
  await updateMediaTaskById('t', { ...row, status: 'failed' })
  // @ts-expect-error A patch is an object.
  await updateMediaTaskById('t', 'failed')
  // @ts-expect-error The table has no column state.
  await updateMediaTaskById('t', { state: 'failed' })
  // @ts-expect-error A status can't be null.
  await updateMediaTaskById('t', { status: null })
  // @ts-expect-error There may be no task with this id: check for undefined.
  use((await updateMediaTaskById('t', { progress: 1 })).status)
  // @ts-expect-error There is no refund unless the task failed: check for undefined.
  use((await updateMediaTaskById('t', { progress: 1 }))?.refund.credits)
  // @ts-expect-error There may be no task with this id: check for undefined.
  use((await findMediaTaskById('t')).status)
  // @ts-expect-error An absent title is null.
  use(row.title.length)
  // @ts-expect-error A history is a page; the tasks are its list.
  use((await getMediaTaskHistory('u')).length)
  // @ts-expect-error A page is a number: no object with options.
  await getMediaTaskHistory('u', { page: 2 })
  // @ts-expect-error An id is text.
  await findMediaTaskById(7)

  // @ts-expect-error With an app's own row type, only its columns are known.
  await own.createMediaTask({ ...task, rewrittenScripts: ['a'] }, 10)
  // @ts-expect-error With an app's own row type, a column has the app's type.
  await own.updateMediaTaskById('t', { scenes: [1] })
  // @ts-expect-error An app's own row is no patch either.
  await own.updateMediaTaskById('t', { ...appRow, status: 'failed' })
}

export async function credits(grant: Credit) {
  // @ts-expect-error The number of credits is required.
  await consumeCredits({ userId: 'u' })
  // @ts-expect-error Credits are a number, not text.
  await consumeCredits({ userId: 'u', credits: '5' })
  // @ts-expect-error The user is required.
  await consumeCredits({ credits: 5 })
  // @ts-expect-error It takes one object.
  await consumeCredits('u', 5)
  // @ts-expect-error The parameter is called scene.
  await consumeCredits({ userId: 'u', credits: 5, transactionScene: 'payment' })
  // @ts-expect-error Metadata is text or an object.
  await consumeCredits({ userId: 'u', credits: 5, metadata: 7 })
  // @ts-expect-error A grant needs its credits.
  await createCredit({ userId: 'u' })
  // @ts-expect-error A time is a Date, not a number.
  await createCredit({ userId: 'u', credits: 5, expiresAt: 1767225600000 })
  // @ts-expect-error The table has no column amount.
  await createCredit({ userId: 'u', credits: 5, amount: 5 })
  // @ts-expect-error A filter has no such key.
  await getCredits({ userId: 'u', scene: 'payment' })
  // @ts-expect-error A list has a page and a limit, no offset.
  await getCredits({ userId: 'u', offset: 30 })
  // @ts-expect-error A count has no pages.
  await getCreditsCount({ userId: 'u', page: 2 })
  // @ts-expect-error A time is a Date, not a number.
  await db.getStatement('u', { from: 0 })
  // @ts-expect-error An audit is a loop, not a promise.
  await db.auditLedger().then()
  // @ts-expect-error All findings are repaired, or none.
  await db.repairLedger({ limit: 1 })
  // @ts-expect-error Only true applies.
  await db.repairLedger({ apply: 'yes' })
  // @ts-expect-error It takes the user's id, not an object.
  await getRemainingCredits({ userId: 'u' })
  // @ts-expect-error Draws are text: parse them.
  use(grant.consumedDetail?.at(0)?.creditId)
}

export function connections() {
  // @ts-expect-error Durability is 'full' or 'normal'.
  connect({ durability: 'fast' })
  // @ts-expect-error The unit is 'ms' or 's'.
  connect({ timestampUnit: 'seconds' })
  // @ts-expect-error The option is called busyTimeoutMs.
  connect({ busyTimeout: 1000 })
  // @ts-expect-error Options are an object.
  connect('file:data/local.db')
  // @ts-expect-error connect() makes connections.
  use(new MediaCredits())
  // @ts-expect-error A connection has no such function.
  db.updateMediaTask('t', {})
}

export function errors(error: MediaCreditsError) {
  // @ts-expect-error There is no such code.
  if (error.code === 'INSUFFICENT_CREDITS') return
  // @ts-expect-error A code is text.
  if (error.code === 402) return
  // @ts-expect-error Not each error has required: it may be undefined.
  use(error.required.toFixed())
  // @ts-expect-error An error has no such property.
  use(error.details)
  // @ts-expect-error Only this package makes its errors.
  use(new MediaCreditsError('CLOSED'))
}

// @ts-expect-error A new task must be complete when it is declared, too.
export const incomplete: NewMediaTask = { id: 't', userId: 'u', platform: 'youtube' }

function use(_value: unknown) {}

export async function stockApps(credit: Credit) {
  // @ts-expect-error A page is a number, or the text of one.
  await getCredits({ page: true })
  // @ts-expect-error The user of a history is required.
  await getCredits({ userId: null })
  // @ts-expect-error A row has its user only with getUser, and the user may have been deleted.
  use((await getCredits({ getUser: true }))[0]?.user.email)
  // @ts-expect-error The number of rows has no users.
  await getCreditsCount({ getUser: true })
  // @ts-expect-error The user of a row is not written with it.
  await createCredit({ userId: 'u', credits: 1, user: undefined })
  // @ts-expect-error A transaction is an object.
  await consumeCredits({ userId: 'u', credits: 1, tx: 'tx' })
  // @ts-expect-error A new row is complete; a new grant need not be.
  const row: NewCredit = { userId: 'u', credits: 1 }
  // @ts-expect-error A limit is a number.
  await createMediaTask(task, 10, { maxActive: '1' })
  // @ts-expect-error An AI task has no free trial.
  await db.createAITasks([], { freeTrialLimit: 1 })
  // @ts-expect-error There is no such table.
  await db.createTables({ tables: ['orders'] })
  // @ts-expect-error An enum's values are its members, as the app's.
  const status: CreditStatus = 'active'
  // @ts-expect-error Days are required, even if they are 0.
  calculateCreditExpirationTime({ currentPeriodEnd: new Date() })
  // @ts-expect-error The user of a grant is required.
  await db.grantCreditsForUser({ credits: 1 })
  return [row, status, credit]
}

export function events() {
  // @ts-expect-error There is no such event.
  db.on('chargd', () => {})
  // @ts-expect-error A threshold is required.
  db.on('balance-low', () => {})
  // @ts-expect-error Other events have no threshold.
  db.on('charged', { below: 20 }, () => {})
  // @ts-expect-error The event of a charge has no refund.
  db.on('charged', ({ spendable }) => use(spendable))
  // @ts-expect-error Caller errors are no refusals.
  db.on('refused', ({ code }) => use(code === 'INVALID_AMOUNT'))
  // @ts-expect-error A refusal has no user if the call names none.
  db.on('refused', ({ userId }) => use(userId.length))
  // @ts-expect-error A listener is removed without its threshold.
  db.off('balance-low', { below: 20 }, () => {})
}

export async function inside(tx: object) {
  // @ts-expect-error A transaction is an object.
  within('tx')
  // @ts-expect-error The transaction is the app's: there is nothing to close.
  await within(tx).close()
  // @ts-expect-error Calls inside a transaction emit no events.
  within(tx).on('task', () => {})
  // @ts-expect-error The functions inside a transaction have no `within`.
  within(tx).within(tx)
  // @ts-expect-error There is no such dialect.
  const other: OwnTransaction = { dialect: 'mssql', query: async () => [] }
  // @ts-expect-error Rows come in a list.
  const rows: OwnTransaction = { dialect: 'sqlite', query: async () => ({ rows: [] }) }
  // @ts-expect-error A row inside a transaction has the same type as outside.
  const id: number = (await within(tx).consumeCredits({ userId: 'u', credits: 1 })).id
  return { other, rows, id }
}
