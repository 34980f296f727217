import { isPlanType, PLANS, type PlanType } from '@/shared/lib/catalog'
import type { User } from '@/shared/models/user'
import type { Balance } from './balance'

/** The plan in the user's row. It may change before a submit, so the submit checks the limits again. */
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

/** A user's balance, grants and plan, for the page. */
export type PlanBalance = Balance & { plan: Plan }
