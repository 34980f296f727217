// The calls of an app's pages to its models. It must compile; nothing here runs.

import {
  type AITask,
  AITaskStatus,
  type Credit,
  CreditStatus,
  CreditTransactionType,
  findAITaskById,
  getAITasks,
  getAITasksCount,
  getCredits,
  getCreditsCount,
  getRemainingCredits,
  grantCreditsForUser,
  type MediaTaskStatus,
  updateAITaskById,
} from 'models'
import { type AppUser, askProvider, findUserById, getUserInfo, type SearchParams, type Table } from './frame'
import type { AITaskRow, CreditRow } from './schema'

/** The admin's list of credits of all users, each row with its user. */
export async function adminCredits(searchParams: SearchParams): Promise<Table> {
  const { page: pageNum, pageSize, type } = await searchParams
  const page = pageNum || 1
  const limit = pageSize || 30
  const filter = { transactionType: type as CreditTransactionType, status: CreditStatus.ACTIVE }
  const total = await getCreditsCount(filter)
  const credits = await getCredits({ ...filter, getUser: true, page, limit })
  const emails: (string | undefined)[] = credits.map((row) => row.user?.email)
  const rows: Credit[] = credits
  return {
    columns: [
      { name: 'transactionNo', type: 'copy' },
      { name: 'user', type: 'user' },
      { name: 'credits', callback: (item) => (item.credits > 0 ? `+${item.credits}` : item.credits) },
      { name: 'expiresAt', type: 'time', callback: (item: Credit) => item.expiresAt?.getTime() ?? emails[0] },
    ],
    data: rows.length > 0 ? credits : [],
    pagination: { total, page, limit },
  }
}

/** The user's own list of credits, and the balance above it. */
export async function credits(searchParams: SearchParams) {
  const { page: pageNum, pageSize, type } = await searchParams
  const user = await getUserInfo()
  if (!user) return
  const table: Table = {
    columns: [{ name: 'transactionScene', type: 'label' }],
    data: await getCredits({
      userId: user.id,
      status: CreditStatus.ACTIVE,
      transactionType: type as CreditTransactionType,
      page: pageNum || 1,
      limit: pageSize || 20,
    }),
  }
  return { table, remaining: await getRemainingCredits(user.id) }
}

/** The same with the text of a page's parameters. */
export async function textPages(
  searchParams: Promise<{ page?: string; pageSize?: string; status?: string }>,
) {
  const { page, pageSize, status } = await searchParams
  const rows: CreditRow[] = await getCredits({ status, page: page || '1', limit: pageSize ?? '' })
  return rows.concat(await getCredits({ status: '', page }))
}

/** The admin's list of AI tasks. */
export async function adminTasks(searchParams: SearchParams): Promise<Table> {
  const { page: pageNum, pageSize, type } = await searchParams
  const page = pageNum || 1
  const limit = pageSize || 30
  const total = await getAITasksCount({ mediaType: type })
  const tasks = await getAITasks({ getUser: true, page, limit, mediaType: type })
  const names = tasks.map(({ user }) => user?.name ?? '-')
  return {
    columns: [{ name: 'user', type: 'user', title: names[0] }],
    data: tasks,
    pagination: { total, page, limit },
  }
}

/** The user's own list of AI tasks. */
export async function tasks(user: AppUser, type?: string): Promise<Table> {
  const tasks: AITask[] = await getAITasks({ userId: user.id, mediaType: type, provider: undefined })
  return {
    columns: [
      {
        name: 'result',
        callback: (item: AITask) => (item.taskInfo ? JSON.parse(item.taskInfo).images : '-'),
      },
      {
        name: 'action',
        type: 'dropdown',
        callback: (item: AITask) =>
          item.status === AITaskStatus.PENDING || item.status === AITaskStatus.PROCESSING
            ? [{ title: 'refresh', url: `/activity/ai-tasks/${item.id}/refresh` }]
            : [],
      },
    ],
    data: tasks,
  }
}

/** The page that queries the provider again. */
export async function refresh(id: string) {
  const task = await findAITaskById(id)
  if (!task || !task.taskId || !task.provider || !task.status) return 'Task not found'
  if ([AITaskStatus.PENDING, AITaskStatus.PROCESSING].includes(task.status as AITaskStatus)) {
    const result = await askProvider({ taskId: task.taskId })
    await updateAITaskById(task.id, {
      status: result.taskStatus,
      taskInfo: result.taskInfo ? JSON.stringify(result.taskInfo) : null,
      taskResult: result.taskResult ? JSON.stringify(result.taskResult) : null,
    })
  }
  const row: AITaskRow = task
  return row.status
}

/** The form with which an admin grants credits. */
export async function grantByAdmin(id: string, data: FormData) {
  const user = await findUserById(id)
  if (!user) return
  const grant = async (data: FormData, passby: any) => {
    const { user } = passby
    await grantCreditsForUser({
      user: user,
      credits: parseInt(data.get('credits') as string) || 0,
      validDays: parseInt(data.get('valid_days') as string) || 0,
      description: data.get('description') as string,
    })
  }
  await grant(data, { user })
  const granted = await grantCreditsForUser({ user, credits: 5 })
  return granted?.transactionNo
}

/** A column of the admin's list of users. */
export const remaining = async (item: AppUser) => `${await getRemainingCredits(item.id)}`

/** A task in the form of the page of past tasks. */
export function badge(status: string): string {
  const labels: Partial<Record<MediaTaskStatus, string>> = { pending: 'Waiting', failed: 'Failed' }
  return labels[status as MediaTaskStatus] ?? status
}
