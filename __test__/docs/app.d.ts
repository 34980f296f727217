// What a reader of the docs has: an app, with a user who asks for a task. `app.js` has the values.
// Functions of the package may be used without an import, as a page does that has shown it once.

import type { MediaTask, NewMediaTask } from 'media-credits'

declare global {
  /** A user with a grant of 100 credits. */
  const userId: string
  /** A task that does not exist yet. */
  const task: NewMediaTask
  /** Both are the task's. */
  const id: string, taskId: string
  const url: string, videoUrl: string
  const outputType: 'subtitle' | 'video'
  const targetLang: string
  const errorMessage: string
  /** Numbers of the app's own, each used once. */
  const jobId: string, orderNo: string
  /** The app's own table, as the first pages declare it. */
  const mediaTasks: { $inferSelect: MediaTask }
  function getUserInfo(): Promise<{ id: string }>
  /** The app's work, which fails for a URL with `fail` in it. */
  function extract(task: MediaTask): Promise<void>
}
