import { useState } from 'react'
import { messageOf, post } from '@/shared/lib/api'
import type { Plan } from '@/shared/services/plan'

/** The plan's limits, and a button that changes to the plan without limits. */
export function PlanLine({ plan, onPlan }: { plan: Plan; onPlan: () => void }) {
  const [error, setError] = useState<string>()
  const { label, maxActive, freeTrialsLeft: trials } = plan

  async function change() {
    try {
      await post('/api/user/plan', { plan: 'pro' })
      setError(undefined)
      onPlan()
    } catch (reason) {
      setError(messageOf(reason))
    }
  }

  return (
    <>
      <p className="hint plan">
        {label}: {maxActive === null ? 'as many tasks at once as you like' : `${maxActive} tasks at once`}
        {trials > 0 && `, ${trials} free ${trials === 1 ? 'trial' : 'trials'} left`}.{' '}
        {maxActive !== null && (
          <button type="button" className="link" onClick={() => void change()}>
            Change to Pro
          </button>
        )}
      </p>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
    </>
  )
}
