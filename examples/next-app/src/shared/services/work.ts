import { describeVideo, extractStep, translate } from '@/provider/stand-in'
import type { Language } from '@/shared/lib/catalog'
import { updateMediaTaskById, type MediaTask } from '@/shared/models/media_task'

/** The work behind a task. It runs after the answer and charges nothing: that is done when it begins. */

export async function extract(task: MediaTask): Promise<void> {
  await orFail(task.id, async () => {
    await updateMediaTaskById(task.id, describeVideo(task.videoUrl))
    let subtitleRaw = ''
    for (const progress of [10, 30, 40, 70, 90]) {
      await updateMediaTaskById(task.id, { status: 'processing', progress })
      subtitleRaw = await extractStep(task.videoUrl, progress)
    }
    const status = task.outputType === 'video' ? 'completed' : 'extracted'
    await updateMediaTaskById(task.id, { subtitleRaw, status, progress: 100 })
  })
}

export async function translateSubtitles(taskId: string, language: Language): Promise<void> {
  await orFail(taskId, async () => {
    await updateMediaTaskById(taskId, { progress: 50 })
    const subtitleTranslated = await translate(language)
    await updateMediaTaskById(taskId, { subtitleTranslated, status: 'completed', progress: 100 })
  })
}

/** The failure and the refund of the task's last charge are one transaction. */
async function orFail(taskId: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error)
    // If this fails too, the task is found stuck later, and refunded then.
    await updateMediaTaskById(taskId, { status: 'failed', errorMessage, progress: 0 }).catch(console.error)
  }
}
