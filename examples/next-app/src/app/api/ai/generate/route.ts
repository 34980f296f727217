import { PROVIDER } from '@/provider/generation'
import { isMediaType, MEDIA_TYPES } from '@/shared/lib/catalog'
import { ANOTHER_REQUEST, bodyOf, keyOf, Refusal, shortOf, userRoute } from '@/shared/lib/route'
import { AITaskStatus, createAITask } from '@/shared/models/ai_task'
import { getRemainingCredits } from '@/shared/models/credit'
import { begin } from '@/shared/services/generation'
import { findOwnAITask } from '@/shared/services/own_task'

export const runtime = 'nodejs'

export const POST = userRoute(async (user, request) => {
  const { mediaType, prompt } = await bodyOf(request)
  if (!isMediaType(mediaType)) throw new Refusal('Please choose what to make')
  if (typeof prompt !== 'string' || !prompt.trim()) throw new Refusal('Please say what to make')
  const id = keyOf(request)
  const { credits: costCredits, model, scene } = MEDIA_TYPES[mediaType]

  // Only an early answer, as in the submit route: the charge checks the balance.
  const available = await getRemainingCredits(user.id)
  if (available < costCredits && !(await findOwnAITask(user, id))) {
    throw new Refusal(shortOf(costCredits, available))
  }

  // The charge precedes the call to the provider: a task without credits does not start.
  const status = AITaskStatus.PENDING
  const task = await createAITask(
    { id, userId: user.id, mediaType, provider: PROVIDER, model, scene, prompt, status, costCredits },
    { replay: true },
  )
  if (!task.replayed) return begin(task)
  if (task.prompt !== prompt || task.mediaType !== mediaType) throw new Refusal(ANOTHER_REQUEST)
  return task
})
