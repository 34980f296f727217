import { isLanguage, LANGUAGES, TRANSLATION_CREDITS } from '@/shared/lib/catalog'
import { bodyOf, keyOf, Refusal, userRoute } from '@/shared/lib/route'
import { chargeMediaTask, findMediaTaskById, getMediaTaskCharges } from '@/shared/models/media_task'
import { viewOf, viewOfCharged } from '@/shared/services/task_view'
import { translateSubtitles } from '@/shared/services/work'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { taskId, targetLanguage } = await bodyOf(request)
  if (!isLanguage(targetLanguage)) throw new Refusal('Please choose a language')
  const task = await findMediaTaskById(String(taskId))
  if (task?.userId !== user.id) throw new Refusal('There is no such task')
  if (!task.subtitleRaw) throw new Refusal('The task has no subtitles yet')

  // It was charged, but the answer got lost. Two such requests at once are told apart by `transactionNo`.
  const transactionNo = keyOf(request)
  const charges = await getMediaTaskCharges(task.id)
  if (charges.some((charge) => charge.transactionNo === transactionNo)) return viewOf(task)

  const charged = await chargeMediaTask(
    task.id,
    {
      credits: TRANSLATION_CREDITS,
      transactionNo,
      description: `Subtitle translation: ${LANGUAGES[targetLanguage]}`,
      metadata: { type: 'media-task-translation', targetLanguage },
    },
    { status: 'translating', targetLang: targetLanguage, progress: 0, errorMessage: null },
    // Of two clicks at once, the second finds it translating. One that failed can be tried again.
    { ifStatus: ['extracted', 'completed', 'failed'] },
  )
  if (!charged) throw new Refusal('There is no such task')
  void translateSubtitles(charged, targetLanguage)
  return viewOfCharged(charged)
})
