// A column of the app's own, named once, in an ES module.

import type { Credit, NewGrant } from 'media-credits'

declare module 'media-credits' {
  interface Credit {
    campaign: string | null
  }
}

export const campaign = ({ campaign }: Credit): string | null => campaign
export const grant: NewGrant = { userId: 'u', credits: 1, campaign: 'spring' }
