import { isLanguage, LANGUAGES, TRANSLATION_CREDITS } from '@/shared/lib/catalog'
import { bodyOf, keyOf, Refusal, userRoute } from '@/shared/lib/route'
import { chargeMediaTask, getMediaTaskCharges } from '@/shared/models/media_task'
import { ownTask } from '@/shared/services/own_task'
import { viewOf, viewOfCharged } from '@/shared/services/task_view'
import { translateSubtitles } from '@/shared/services/work'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { taskId, targetLanguage } = await bodyOf(request)
  if (!isLanguage(targetLanguage)) throw new Refusal('Please choose a language')
  const task = await ownTask(user, taskId)
  if (!task.subtitleRaw) throw new Refusal('The task has no subtitles yet')

  const transactionNo = keyOf(request)
  const description = `Subtitle translation: ${LANGUAGES[targetLanguage]}`
  const charged = await chargeMediaTask(
    task.id,
    {
      credits: TRANSLATION_CREDITS,
      transactionNo,
      description,
      metadata: { type: 'media-task-translation', targetLanguage },
    },
    { status: 'translating', targetLang: targetLanguage, progress: 0, errorMessage: null },
    // The second of two concurrent clicks finds it `translating`. A failed translation can be retried.
    { ifStatus: ['extracted', 'completed', 'failed'] },
  ).catch(async (error) => {
    // A request that was charged already is a repeat after a lost answer, whatever the error is.
    const charges = await getMediaTaskCharges(task.id)
    const isRepeat = charges.some((charge) => {
      return charge.transactionNo === transactionNo && charge.description === description
    })
    if (!isRepeat) throw error
  })
  // Read the task again: it may have changed since the read above.
  if (!charged) return viewOf(await ownTask(user, taskId))
  void translateSubtitles(charged, targetLanguage)
  return viewOfCharged(charged)
})
