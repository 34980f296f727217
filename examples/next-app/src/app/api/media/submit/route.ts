import { isOutputType, OUTPUTS, platformOf, URL_WANTED } from '@/shared/lib/catalog'
import { ANOTHER_REQUEST, bodyOf, keyOf, Refusal, shortOf, userRoute } from '@/shared/lib/route'
import { getRemainingCredits } from '@/shared/models/credit'
import { createMediaTask } from '@/shared/models/media_task'
import { findOwnTask } from '@/shared/services/own_task'
import { viewOfCharged } from '@/shared/services/task_view'
import { extract } from '@/shared/services/work'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { url, outputType } = await bodyOf(request)
  const platform = platformOf(url)
  if (!platform) throw new Refusal(URL_WANTED)
  if (!isOutputType(outputType)) throw new Refusal('Please choose subtitles or video')
  const id = keyOf(request)
  const cost = OUTPUTS[outputType].credits

  // Only an early answer: the charge checks again, where it draws. A repeat of what was charged must get its task,
  // however little is left.
  const available = await getRemainingCredits(user.id)
  if (available < cost && !(await findOwnTask(user, id))) throw new Refusal(shortOf(cost, available))

  const task = await createMediaTask(
    { id, userId: user.id, platform, videoUrl: String(url), outputType },
    cost,
    { replay: true },
  )
  if (task.replayed && task.videoUrl !== url) throw new Refusal(ANOTHER_REQUEST)
  if (!task.replayed) void extract(task)
  return viewOfCharged(task)
})
