import { describeVideo, extractStep, translate } from '@/provider/stand-in'
import type { Language } from '@/shared/lib/catalog'
import {
  MediaCreditsError,
  updateMediaTaskById,
  type MediaTask,
  type UpdateMediaTask,
} from '@/shared/models/media_task'

/**
 * The work of a task, which was charged before. No request waits for it, and it never rejects. If the server stops
 * meanwhile, the task becomes stuck, and is failed and refunded then.
 */
export async function extract(task: MediaTask): Promise<void> {
  await orFail(task, async (report) => {
    await report(describeVideo(task.videoUrl))
    let subtitleRaw = ''
    for (const progress of [10, 30, 40, 70, 90]) {
      await report({ status: 'processing', progress })
      subtitleRaw = await extractStep(task.videoUrl, progress)
    }
    const status = task.outputType === 'video' ? 'completed' : 'extracted'
    await report({ subtitleRaw, status, progress: 100 })
  })
}

export async function translateSubtitles(task: MediaTask, language: Language): Promise<void> {
  await orFail(task, async (report) => {
    await report({ progress: 50 })
    const subtitleTranslated = await translate(language)
    await report({ subtitleTranslated, status: 'completed', progress: 100 })
  })
}

type Report = (patch: UpdateMediaTask) => Promise<void>

/**
 * Lets a worker update its task until another caller changes it. A task that was failed as stuck stays failed,
 * however late its worker is. If it was charged and started again, the old worker can neither deliver for the new
 * charge nor refund it. (Two writes in one millisecond look the same.)
 */
function reporterOf(task: MediaTask): Report {
  let { updatedAt } = task
  return async (patch) => {
    const ifUpdatedBefore = new Date(updatedAt.getTime() + 1)
    const ifStatus = ['pending', 'processing', 'translating']
    const updated = await updateMediaTaskById(task.id, patch, { ifStatus, ifUpdatedBefore })
    if (updated) updatedAt = updated.updatedAt
  }
}

/** The failure and the refund of the task's last charge are one transaction. */
async function orFail(task: MediaTask, work: (report: Report) => Promise<void>): Promise<void> {
  const report = reporterOf(task)
  try {
    await work(report)
  } catch (error) {
    // Another caller has changed the task, so this worker stops.
    if (error instanceof MediaCreditsError && error.code === 'TASK_STATE_CONFLICT') return
    const errorMessage = error instanceof Error ? error.message : String(error)
    // If this fails too, the task becomes stuck.
    await report({ status: 'failed', errorMessage, progress: 0 }).catch(console.error)
  }
}
