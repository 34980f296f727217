// Code of an app without media tasks. It must compile; nothing here runs.

import {
  AITaskStatus,
  calculateCreditExpirationTime,
  connect,
  consumeCredits,
  createAITask,
  createAITasks,
  createCredit,
  createMediaTask,
  createMediaTasks,
  createTables,
  CreditStatus,
  CreditTransactionScene,
  CreditTransactionType,
  getAITasks,
  getCredits,
  getDiagnostics,
  getMediaTaskHistory,
  grantCreditsForUser,
  MediaCreditsError,
  updateAITaskById,
} from 'media-credits'
import type {
  AITask,
  AITaskPatch,
  AITaskToCreate,
  Credit,
  GrantForUser,
  MediaTask,
  MediaTaskStatus,
  NewAITask,
  NewCredit,
  NewGrant,
  NewMediaTask,
  Replayable,
  UpdateAITask,
  UpdateCredit,
  User,
  WithUser,
} from 'media-credits'
import type { AppCredit } from './app-rows.js'

/** Compiles if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<_A, _B>(_: Same<_A, _B>) {}

export async function lists(userId: string, given: boolean) {
  const withUsers = await getCredits({ getUser: true, page: '2', limit: '50', status: '' })
  same<typeof withUsers, WithUser<Credit>[]>(true)
  same<(typeof withUsers)[number]['user'], User | undefined>(true)
  const perhaps: Credit[] = await getCredits({ getUser: given, transactionType: null, status: undefined })
  const tasks: AITask[] = await getAITasks({ getUser: true, userId, provider: null, mediaType: '' })
  const { list } = await getMediaTaskHistory(userId, '2', '20')
  return [perhaps[0]?.user?.email, tasks[0]?.user?.createdAt, list[0]?.status, withUsers[0]?.credits]
}

export async function grants(user: User, userId: string) {
  const expiresAt = calculateCreditExpirationTime({ creditsValidDays: 30, currentPeriodEnd: null })
  const newCredit: NewCredit = {
    id: 'g',
    userId,
    transactionNo: '1',
    transactionType: CreditTransactionType.GRANT,
    transactionScene: CreditTransactionScene.REWARD,
    credits: 5,
    status: CreditStatus.ACTIVE,
    expiresAt,
  }
  const lean: NewGrant = { userId, credits: 5, metadata: { campaign: 'spring' } }
  await createCredit(newCredit)
  await createCredit(lean, { replay: true })
  const asked: GrantForUser = { user, credits: 5, transactionNo: 'welcome', replay: true }
  const granted = await grantCreditsForUser({ ...asked, validDays: 7, transactionScene: 'award' })
  same<typeof granted, Replayable<Credit> | undefined>(true)
  const patch: UpdateCredit = { status: CreditStatus.EXPIRED, description: null }
  const charge = await consumeCredits({
    userId,
    credits: 1,
    scene: CreditTransactionScene.PAYMENT,
    tx: undefined,
  })
  return [granted?.replayed, patch.status, charge.id]
}

export async function limits(task: NewMediaTask, aiTask: NewAITask) {
  await createMediaTask({ ...task, isFreeTrial: true }, 0, { maxActive: 1, freeTrialLimit: 3, replay: true })
  await createMediaTasks([{ task, costCredits: 10 }], { atomic: true, maxActive: 5 })
  await createAITasks([aiTask], { maxActive: 5 })
  return createAITask(aiTask, { maxActive: undefined }).catch((error: unknown) => {
    if (!(error instanceof MediaCreditsError)) throw error
    if (error.code === 'TOO_MANY_ACTIVE_TASKS') return [error.active, error.maxActive]
    if (error.code === 'FREE_TRIAL_USED_UP') return [error.used, error.limit]
    return error.code === 'TRANSACTION_NOT_SUPPORTED' ? [] : undefined
  })
}

export async function json(task: NewAITask, update: UpdateAITask) {
  // The app's own rows have text; the functions accept an object too.
  same<NewAITask['options'], string | null | undefined>(true)
  same<UpdateAITask['taskResult'], string | null | undefined>(true)
  const created: AITaskToCreate = { ...task, options: { width: 512 } }
  const patch: AITaskPatch = { ...update, taskResult: { url: 'u' }, status: AITaskStatus.SUCCESS }
  await createAITask(created)
  return updateAITaskById(task.id, patch)
}

export async function tables() {
  await createTables({ tables: ['ai_task'] })
  await createTables({})
  const found = await getDiagnostics()
  return found.storage === 'sqlite' ? found.path : found.maxConnections.toFixed()
}

type AppUser = { id: string; name: string; locale: string }
type AppTask = Omit<AITask, 'user'> & { priority: number | null }

export async function rows(userId: string) {
  const stock = connect<MediaTask, AppCredit, AppTask, AppUser>({ activeStatuses: ['processing', 'pending'] })
  const [task] = await stock.getAITasks({ getUser: true, userId })
  same<typeof task, WithUser<AppTask, AppUser> | undefined>(true)
  const [credit] = await stock.getCredits({ getUser: true })
  await stock.createAITask({ ...newTask(userId), priority: 1 })
  const updated: AppTask | undefined = await stock.updateAITaskById('a', { priority: null })
  const granted: AppCredit | undefined = await stock.grantCreditsForUser({ user: { id: userId }, credits: 1 })
  return [task?.user?.locale, credit?.tenant, updated?.priority, granted?.tenant]
}

function newTask(userId: string): NewAITask {
  const status: MediaTaskStatus = 'pending'
  return { id: 'a', userId, mediaType: 'image', provider: 'p', model: 'm', prompt: 'a cat', status }
}
