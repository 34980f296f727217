import { describeVideo, extractStep, translate } from '@/provider/stand-in'
import type { Language } from '@/shared/lib/catalog'
import { updateMediaTaskById, type MediaTask, type UpdateMediaTask } from '@/shared/models/media_task'

/**
 * The work behind a task. Nobody waits for it, and it never rejects. It charges nothing: that is done when it
 * begins. If the server stops meanwhile, the task is found stuck, and refunded then.
 */
export async function extract(task: MediaTask): Promise<void> {
  await orFail(task.id, async () => {
    await report(task.id, describeVideo(task.videoUrl))
    let subtitleRaw = ''
    for (const progress of [10, 30, 40, 70, 90]) {
      await report(task.id, { status: 'processing', progress })
      subtitleRaw = await extractStep(task.videoUrl, progress)
    }
    const status = task.outputType === 'video' ? 'completed' : 'extracted'
    await report(task.id, { subtitleRaw, status, progress: 100 })
  })
}

export async function translateSubtitles(taskId: string, language: Language): Promise<void> {
  await orFail(taskId, async () => {
    await report(taskId, { progress: 50 })
    const subtitleTranslated = await translate(language)
    await report(taskId, { subtitleTranslated, status: 'completed', progress: 100 })
  })
}

/** A task that was found stuck stays failed, however late its worker is: this is refused then. */
function report(taskId: string, patch: UpdateMediaTask) {
  return updateMediaTaskById(taskId, patch, { ifStatus: ['pending', 'processing', 'translating'] })
}

/** The failure and the refund of the task's last charge are one transaction. */
async function orFail(taskId: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error)
    // If this fails too, the task is found stuck.
    await report(taskId, { status: 'failed', errorMessage, progress: 0 }).catch(console.error)
  }
}
