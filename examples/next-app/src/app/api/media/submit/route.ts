import { isOutputType, OUTPUTS, platformOf, URL_WANTED } from '@/shared/lib/catalog'
import { ANOTHER_REQUEST, bodyOf, keyOf, Refusal, shortOf, userRoute } from '@/shared/lib/route'
import { getRemainingCredits } from '@/shared/models/credit'
import { createMediaTask } from '@/shared/models/media_task'
import { findOwnTask } from '@/shared/services/own_task'
import { planOf } from '@/shared/services/plan'
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
  const { maxActive, freeTrials, freeTrialsLeft } = planOf(user)

  // Only an early answer, and the choice of a free trial: the transaction checks credits, trials and active tasks.
  // A repeated request gets its existing task, whatever the balance is.
  const available = await getRemainingCredits(user.id)
  const isShort = available < cost
  const known = isShort || freeTrials > 0 ? await findOwnTask(user, id) : undefined
  const isFreeTrial = known ? known.isFreeTrial === true : isShort && freeTrialsLeft > 0
  if (isShort && !known && !isFreeTrial) throw new Refusal(shortOf(cost, available))

  const task = await createMediaTask(
    { id, userId: user.id, platform, videoUrl: String(url), outputType, isFreeTrial },
    isFreeTrial ? 0 : cost,
    { replay: true, maxActive, freeTrialLimit: freeTrials },
  )
  if (task.replayed && (task.videoUrl !== url || task.outputType !== outputType))
    throw new Refusal(ANOTHER_REQUEST)
  if (!task.replayed) void extract(task)
  return viewOfCharged(task)
})
