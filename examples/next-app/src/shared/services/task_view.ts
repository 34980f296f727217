import { getMediaTaskCharges, type MediaTask } from '@/shared/models/media_task'

/** A task as the page shows it: with what it was charged, and whether that was refunded. */
export async function viewOf(task: MediaTask) {
  const { id, platform, videoUrl, title, author, duration, status, progress, errorMessage } = task
  const { outputType, targetLang, subtitleRaw, subtitleTranslated } = task
  const charges = (await getMediaTaskCharges(id)).map((charge) => ({
    id: charge.id,
    what: charge.description,
    credits: -charge.credits,
    refunded: charge.status === 'deleted',
  }))
  return {
    ...{ id, platform, videoUrl, title, author, duration, status, progress, errorMessage },
    ...{ outputType, targetLang, subtitleRaw, subtitleTranslated, charges },
  }
}

export type TaskView = Awaited<ReturnType<typeof viewOf>>
