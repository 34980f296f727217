// What an ES module sees, by `exports.types.import`. It must compile; nothing here runs.

import { connect, createMediaTask, on, type MediaTask } from 'media-credits'
import { instrument } from 'media-credits/opentelemetry'

export const created: Promise<MediaTask> = createMediaTask(
  { id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' },
  10,
)
export const stop: () => void = instrument()
on('charged', ({ credits }) => credits)
export const connection = connect({ url: 'file:x.db' })

// @ts-expect-error index.mjs has no default export
import defaults from 'media-credits'
export { defaults }
