import { isPlanType, PLANS, type PlanType } from '@/shared/lib/catalog'
import type { User } from '@/shared/models/user'
import type { Balance } from './balance'

/** What the user's row says of the plan. Between this and a submit it may change: the submit counts for itself. */
export function planOf({ planType, freeTrialUsed }: User): Plan {
  const type = isPlanType(planType) ? planType : 'free'
  const { label, maxActive, freeTrials } = PLANS[type]
  const freeTrialsLeft = Math.max(0, freeTrials - (freeTrialUsed ?? 0))
  return { type, label, maxActive, freeTrials, freeTrialsLeft }
}

export interface Plan {
  type: PlanType
  label: string
  /** `null`: no limit. */
  maxActive: number | null
  freeTrials: number
  freeTrialsLeft: number
}

/** What the page knows of a user's means. */
export type PlanBalance = Balance & { plan: Plan }
