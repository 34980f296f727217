import { isOutputType, OUTPUTS, platformOf } from '@/shared/lib/catalog'
import { bodyOf, keyOf, Refusal, userRoute } from '@/shared/lib/route'
import { createMediaTask } from '@/shared/models/media_task'
import { viewOfCharged } from '@/shared/services/task_view'
import { extract } from '@/shared/services/work'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { url, outputType } = await bodyOf(request)
  const platform = platformOf(url)
  if (!platform) throw new Refusal('Please enter the URL of a YouTube or TikTok video')
  if (!isOutputType(outputType)) throw new Refusal('Please choose subtitles or video')

  // The balance is not asked for first: what is missing, this call says, and it is the one that can't be wrong.
  const task = await createMediaTask(
    { id: keyOf(request), userId: user.id, platform, videoUrl: String(url), outputType },
    OUTPUTS[outputType].credits,
    { replay: true },
  )
  if (!task.replayed) void extract(task)
  return viewOfCharged(task)
})
