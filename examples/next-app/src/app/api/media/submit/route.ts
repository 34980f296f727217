import { isOutputType, OUTPUTS, platformOf } from '@/shared/lib/catalog'
import { bodyOf, Refusal, userRoute } from '@/shared/lib/route'
import { createMediaTask } from '@/shared/models/media_task'
import { viewOf } from '@/shared/services/task_view'
import { extract } from '@/shared/services/work'

export const runtime = 'nodejs'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const POST = userRoute(async (user, request) => {
  const { url, outputType } = await bodyOf(request)
  const platform = platformOf(url)
  if (!platform) throw new Refusal('Please enter the URL of a YouTube or TikTok video')
  if (!isOutputType(outputType)) throw new Refusal('Please choose subtitles or video')

  // The browser chooses the key. A request that is sent again, because its answer was lost, charges once.
  const id = request.headers.get('Idempotency-Key') ?? crypto.randomUUID()
  if (!UUID.test(id)) throw new Refusal('The Idempotency-Key must be a UUID')

  // The balance is not asked for first: what is missing, this call says, and it is the one that can't be wrong.
  const task = await createMediaTask(
    { id, userId: user.id, platform, videoUrl: String(url), outputType },
    OUTPUTS[outputType].credits,
    { replay: true },
  )
  if (!task.replayed) void extract(task)
  return viewOf(task)
})
