import { MediaCreditsError } from '@/shared/models/media_task'
import { getSignedInUser, type User } from '@/shared/models/user'

/** Routes that answer in the app's format: `{ code: 0, message: 'ok', data }` or `{ code: -1, message }`. */

/** A refusal whose message the user sees. */
export class Refusal extends Error {}

/** A route for all visitors. */
export function route(work: (request: Request) => Promise<unknown>) {
  return async (request: Request) => {
    try {
      return Response.json({ code: 0, message: 'ok', data: await work(request) })
    } catch (error) {
      return Response.json({ code: -1, message: refusalOf(error) })
    }
  }
}

/** A route that requires a signed-in user. */
export function userRoute(work: (user: User, request: Request) => Promise<unknown>) {
  return route(async (request) => {
    const user = await getSignedInUser()
    if (!user) throw new Refusal('Please sign in first')
    return work(user, request)
  })
}

export const shortOf = (required?: number, available?: number) =>
  `Insufficient credits. Required: ${required}, Available: ${available}`

const tooManyOf = (active?: number, maxActive?: number) =>
  `${active} of your tasks are at work, and your plan allows ${maxActive} at once. Please wait for one of them`

export const ANOTHER_REQUEST = 'This request was made before, for something else'

function refusalOf(error: unknown): string {
  if (error instanceof Refusal) return error.message
  if (error instanceof MediaCreditsError) {
    if (error.code === 'INSUFFICIENT_CREDITS') return shortOf(error.required, error.available)
    if (error.code === 'TOO_MANY_ACTIVE_TASKS') return tooManyOf(error.active, error.maxActive)
    if (error.code === 'FREE_TRIAL_USED_UP') return 'Your free trial is used up'
    if (error.code === 'TASK_STATE_CONFLICT') return `The task is ${error.status}`
    // Another request has used this idempotency key.
    if (error.code === 'IDEMPOTENCY_CONFLICT' || error.code === 'CREDIT_EXISTS') return ANOTHER_REQUEST
    if (error.retryable) return 'The database is busy. Please try again'
  }
  console.error(error)
  return 'Something went wrong'
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The idempotency key, chosen by the browser: a request that is sent again charges once. */
export function keyOf(request: Request): string {
  const key = request.headers.get('Idempotency-Key') ?? crypto.randomUUID()
  if (!UUID.test(key)) throw new Refusal('The Idempotency-Key must be a UUID')
  return key
}

/** The request's JSON body, not validated. */
export async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  const body: unknown = await request.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null) throw new Refusal('The request has no JSON body')
  return body as Record<string, unknown>
}
