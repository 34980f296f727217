// What bench/next.js puts in the place of the app's model for the floor: see media_task.ts.

export * from 'media-credits'

const MANY_CREDITS = 1_000_000

/** Users sign up with another app, before anything is measured. */
export async function grantCreditsForNewUser(_user: unknown, _options?: unknown): Promise<never> {
  throw new Error('there is no signing up here')
}

export async function getRemainingCredits(_userId: string): Promise<number> {
  return MANY_CREDITS
}
