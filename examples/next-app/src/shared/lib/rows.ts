import { signed } from './format'
import type { AITask } from '@/shared/models/ai_task'
import type { Credit } from '@/shared/models/credit'

/** The columns of lists. The server renders them without a user's time zone, so times are UTC. */

export const utc = (time: Date | null) => (time ? time.toISOString().slice(0, 16).replace('T', ' ') : '–')

export const CREDIT_COLUMNS = {
  Credits: ({ credits }: Credit) => signed(credits),
  Left: ({ transactionType, remainingCredits }: Credit) =>
    transactionType === 'grant' ? remainingCredits : '–',
  Scene: ({ transactionScene }: Credit) => transactionScene ?? '–',
  What: ({ description }: Credit) => description || '–',
  'Made (UTC)': ({ createdAt }: Credit) => utc(createdAt),
  'Expires (UTC)': ({ expiresAt }: Credit) => utc(expiresAt),
}

export const AI_TASK_COLUMNS = {
  Kind: ({ mediaType }: AITask) => mediaType,
  Prompt: ({ prompt }: AITask) => prompt,
  Status: ({ status }: AITask) => status,
  Credits: ({ costCredits }: AITask) => costCredits,
  Result: resultOf,
  'Made (UTC)': ({ createdAt }: AITask) => utc(createdAt),
}

/** Both columns hold JSON. Rows of an older version of the app have other keys. */
function resultOf({ taskInfo, taskResult }: AITask): string {
  const { errorMessage } = Object(JSON.parse(taskInfo || '{}'))
  const { text } = Object(JSON.parse(taskResult || '{}'))
  return errorMessage ?? text ?? '–'
}
