// The app's model files, replaced by the package: its types, its functions.

// `export *` binds no local name.
import { grantCreditsForUser } from 'media-credits'
import type { AppUser } from './frame'

export * from 'media-credits'

// The table's other columns, named once.
declare module 'media-credits' {
  interface MediaTask {
    rewrittenScripts: { at: number; text: string }[] | null
  }
  interface User {
    locale: string
    freeTrialUsed: number | null
  }
}

/** Reads the app's own settings, so it stays the app's. */
export async function grantCreditsForNewUser(user: AppUser, settings: Record<string, string | undefined>) {
  if (settings.initial_credits_enabled !== 'true') return
  return grantCreditsForUser({
    user,
    credits: parseInt(settings.initial_credits_amount as string) || 0,
    validDays: parseInt(settings.initial_credits_valid_days as string) || 0,
    description: settings.initial_credits_description || 'initial credits',
  })
}
