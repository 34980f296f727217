import { bodyOf } from '@/shared/lib/route'
import { platformOf } from '@/shared/lib/catalog'
import type { NewMediaTask } from '@/shared/models/media_task'

// bench/next.js puts this into a copy of the example app: its submit route without sign-in and background work.

export const runtime = 'nodejs'

declare global {
  /** Opens the contestant that this server was started with: see preload.js. */
  var openContestant: () => Promise<{ createTask: (task: NewMediaTask) => Promise<object> }>
}

let asked = 0
let created = 0

export async function POST(request: Request) {
  asked += 1
  const { userId, url, outputType } = await bodyOf(request)
  const platform = platformOf(url)
  if (!platform) throw new Error('not a video')
  const { createTask } = await openContestant()
  const task = await createTask({
    ...{ id: crypto.randomUUID(), userId: String(userId), platform, videoUrl: String(url) },
    ...{ outputType: String(outputType), status: 'pending', progress: 0, isFreeTrial: false },
  })
  created += 1
  return Response.json({ code: 0, message: 'ok', data: task })
}

/** What a load has left behind when it ended: its last requests may still be under way. */
export const GET = () => Response.json({ asked, created })
