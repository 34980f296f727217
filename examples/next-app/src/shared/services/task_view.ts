import { getMediaTaskCharges, type Credit, type MediaTask } from '@/shared/models/media_task'

/** A task for the page, with its charges and whether they were refunded. */
export async function viewOf(task: MediaTask): Promise<TaskView> {
  return withCharges(task, await getMediaTaskCharges(task.id))
}

/** The same after a charge: if the charges can't be read, the answer still reports success. */
export async function viewOfCharged(task: MediaTask): Promise<TaskView> {
  return viewOf(task).catch((error) => {
    console.error(error)
    return withCharges(task, [])
  })
}

function withCharges(task: MediaTask, rows: Credit[]) {
  const { id, platform, videoUrl, title, author, duration, status, progress, errorMessage } = task
  const { outputType, targetLang, subtitleRaw, subtitleTranslated, createdAt, updatedAt } = task
  const isFreeTrial = task.isFreeTrial === true
  const charges = rows.map((charge) => ({
    id: charge.id,
    what: charge.description,
    credits: -charge.credits,
    refunded: charge.status === 'deleted',
  }))
  return {
    ...{ id, platform, videoUrl, title, author, duration, status, progress, errorMessage },
    ...{ outputType, targetLang, subtitleRaw, subtitleTranslated, isFreeTrial, charges },
    ...{ createdAt: +createdAt, updatedAt: +updatedAt },
  }
}

export type TaskView = ReturnType<typeof withCharges>
