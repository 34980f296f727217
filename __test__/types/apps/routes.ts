// The calls of an app's routes and services to its models. It must compile; nothing here runs.

import {
  consumeCredits,
  createAITask,
  createMediaTask,
  CreditTransactionScene,
  findAITaskById,
  findMediaTaskById,
  getActiveMediaTasks,
  getMediaTaskHistory,
  getRemainingCredits,
  hasActiveMediaTask,
  type MediaTask,
  type NewAITask,
  type NewMediaTask,
  type UpdateAITask,
  updateAITaskById,
  type UpdateMediaTask,
  updateMediaTaskById,
} from 'models'
import { askProvider, fetchMedia, getUserInfo, getUuid, ProviderStatus, respData, respErr } from './frame'
import type { MediaTaskRow } from './schema'

/** Requests a picture, a song or a video. */
export async function generate(request: Request) {
  const { provider, mediaType, model, prompt, options, scene } = await request.json()
  const user = await getUserInfo()
  if (!user) return respErr('no auth, please sign in')
  const costCredits = 2
  if ((await getRemainingCredits(user.id)) < costCredits) return respErr('insufficient credits')
  const result = await askProvider({ mediaType, model })
  const newAITask: NewAITask = {
    id: getUuid(),
    userId: user.id,
    mediaType,
    provider,
    model,
    prompt,
    scene,
    options: options ? JSON.stringify(options) : null,
    status: result.taskStatus,
    costCredits,
    taskId: result.taskId,
    taskInfo: result.taskInfo ? JSON.stringify(result.taskInfo) : null,
    taskResult: result.taskResult ? JSON.stringify(result.taskResult) : null,
  }
  await createAITask(newAITask)
  await createAITask({ ...newAITask, id: getUuid(), status: ProviderStatus.PENDING })
  return respData(newAITask)
}

/** Queries the provider for the outcome; a failure refunds. */
export async function query(request: Request) {
  const { taskId } = await request.json()
  const task = await findAITaskById(taskId)
  if (!task || !task.taskId) return respErr('task not found')
  const result = await askProvider({ taskId: task.taskId, mediaType: task.mediaType, model: task.model })
  const updateAITask: UpdateAITask = {
    status: result.taskStatus,
    taskInfo: result.taskInfo ? JSON.stringify(result.taskInfo) : null,
    taskResult: result.taskResult ? JSON.stringify(result.taskResult) : null,
    creditId: task.creditId,
  }
  if (updateAITask.taskInfo !== task.taskInfo) await updateAITaskById(task.id, updateAITask)
  task.status = updateAITask.status || ''
  task.taskInfo = updateAITask.taskInfo || null
  task.taskResult = updateAITask.taskResult || null
  return respData(task)
}

/** Works on a media task in the background. */
async function work(taskId: string, url: string) {
  try {
    await updateMediaTaskById(taskId, { status: 'processing', progress: 10 })
    const media = await fetchMedia(url)
    await updateMediaTaskById(taskId, {
      progress: 30,
      platform: media.platform,
      title: media.title,
      author: media.author,
      likes: media.likes,
      duration: media.duration,
      publishedAt: media.publishedAt,
      sourceLang: media.sourceLang || 'auto',
      subtitleRaw: media.subtitleRaw || null,
    })
    const videoUrlInternal: string | null = null
    const expiresAt: Date | null = new Date()
    await updateMediaTaskById(taskId, { status: 'extracted', progress: 100, videoUrlInternal, expiresAt })
  } catch (error: any) {
    const failed = await findMediaTaskById(taskId)
    await updateMediaTaskById(taskId, {
      status: 'failed',
      errorMessage: error.message || 'Unknown error occurred',
      progress: 0,
      creditId: failed?.creditId || null,
    })
  }
}

/** Submits a media task: for credits, or as a free trial. */
export async function submit(request: Request) {
  const { url, outputType, targetLang } = await request.json()
  const user = await getUserInfo()
  if (!user) return respErr('no auth, please sign in')
  const freeTrial = (user.freeTrialUsed || 0) < 1
  const taskId = getUuid()
  const newTask = {
    id: taskId,
    userId: user.id,
    platform: url.includes('tiktok') ? 'tiktok' : 'youtube',
    videoUrl: url,
    outputType: outputType || 'subtitle',
    targetLang: targetLang || null,
    status: 'pending' as const,
    progress: 0,
    isFreeTrial: freeTrial,
  }
  if (freeTrial) await createMediaTask(newTask, 0)
  else await createMediaTask(newTask, outputType === 'video' ? 15 : 10)
  work(taskId, url).catch(async (error) => {
    await updateMediaTaskById(taskId, { status: 'failed', errorMessage: error.message })
  })
  return respData({ taskId })
}

/** Charges for a translation, and refunds it if it fails. */
export async function translate(taskId: string, targetLanguage: string) {
  const user = await getUserInfo()
  const task = await findMediaTaskById(taskId)
  if (!user || !task || task.userId !== user.id) return respErr('Task not found')
  if (task.status !== 'extracted') return respErr(`Current status: ${task.status}`)
  if (!task.subtitleRaw || task.subtitleRaw.trim().length === 0) return respErr('No subtitles')
  const isFreeTrial = task.isFreeTrial || false
  let consumedCredit = null
  if (!isFreeTrial) {
    consumedCredit = await consumeCredits({
      userId: user.id,
      credits: 5,
      scene: CreditTransactionScene.PAYMENT,
      description: `Subtitle translation: ${targetLanguage}`,
      metadata: JSON.stringify({ type: 'media-task-translation', taskId, targetLanguage }),
    })
  }
  await updateMediaTaskById(taskId, {
    status: 'translating',
    targetLang: targetLanguage,
    progress: 0,
    creditId: consumedCredit?.id || null,
  })
  return respData(task.rewrittenScripts?.map(({ text }) => text))
}

/** A user's tasks, with pages from the URL. */
export async function history(request: Request) {
  const { searchParams } = new URL(request.url)
  const user = await getUserInfo()
  if (!user) return respErr('no auth, please sign in')
  const page = Math.max(1, Number(searchParams.get('page') || '1'))
  const { list, total, totalPages } = await getMediaTaskHistory(user.id, page, 20)
  const asText = await getMediaTaskHistory(user.id, searchParams.get('page') ?? '1')
  const rows: MediaTaskRow[] = [...list, ...asText.list]
  return respData({ rows, total, totalPages })
}

/** The route that a task's page polls. */
export async function status(id: string) {
  const task: MediaTask | undefined = await findMediaTaskById(id)
  if (!task) return respErr('Task not found')
  return respData({ ...task, title: task.title, expiresAt: task.expiresAt, at: task.updatedAt.getTime() })
}

/** The check of the plan's limit of active tasks by a service. */
export async function mayStart(userId: string, concurrentLimit: number | null) {
  if (concurrentLimit === null) return true
  const { getActiveMediaTasks: active } = await import('models')
  const [tasks, other] = [await getActiveMediaTasks(userId), await active(userId)]
  return tasks.length + other.length < concurrentLimit && !(await hasActiveMediaTask(userId))
}

/** A script that starts a task again, from its whole row. */
export async function again(row: MediaTaskRow, patch: UpdateMediaTask) {
  const { id: _, creditId: __, ...columns } = row
  const newTask: NewMediaTask = { ...columns, id: getUuid(), status: 'pending' }
  const created: MediaTaskRow = await createMediaTask({ ...newTask, rewrittenScripts: null }, 0)
  const updated = await updateMediaTaskById(created.id, {
    ...patch,
    rewrittenScripts: [{ at: 1, text: 'a' }],
  })
  return updated ?? created
}
