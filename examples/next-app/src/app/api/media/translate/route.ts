import { isLanguage, LANGUAGES, TRANSLATION_CREDITS } from '@/shared/lib/catalog'
import { bodyOf, Refusal, userRoute } from '@/shared/lib/route'
import { chargeMediaTask, findMediaTaskById } from '@/shared/models/media_task'
import { viewOf } from '@/shared/services/task_view'
import { translateSubtitles } from '@/shared/services/work'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { taskId, targetLanguage } = await bodyOf(request)
  if (!isLanguage(targetLanguage)) throw new Refusal('Please choose a language')
  const task = await findMediaTaskById(String(taskId))
  if (task?.userId !== user.id) throw new Refusal('There is no such task')
  if (!task.subtitleRaw) throw new Refusal('The task has no subtitles yet')

  const charged = await chargeMediaTask(
    task.id,
    {
      credits: TRANSLATION_CREDITS,
      description: `Subtitle translation: ${LANGUAGES[targetLanguage]}`,
      metadata: { type: 'media-task-translation', targetLanguage },
    },
    { status: 'translating', targetLang: targetLanguage, progress: 0, errorMessage: null },
    // Of two clicks at once, the second finds it translating. One that failed can be tried again.
    { ifStatus: ['extracted', 'completed', 'failed'] },
  )
  if (!charged) throw new Refusal('There is no such task')
  void translateSubtitles(charged.id, targetLanguage)
  return viewOf(charged)
})
