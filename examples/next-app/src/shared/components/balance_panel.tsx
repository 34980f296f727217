import { dateOf, untilThen } from '@/shared/lib/format'

export interface Balance {
  remainingCredits: number
  grants: {
    id: string
    description: string | null
    credits: number
    left: number
    expiresAt: number | null
  }[]
}

/** What can be spent, and the grants that it comes from. They burn down from left to right. */
export function BalancePanel({ balance: { remainingCredits, grants } }: { balance: Balance }) {
  const granted = grants.reduce((sum, { credits }) => sum + credits, 0)
  const next = grants.find(({ left, expiresAt }) => left > 0 && expiresAt)
  return (
    <>
      <p className="balance">
        <strong data-testid="balance">{remainingCredits}</strong>{' '}
        {remainingCredits === 1 ? 'credit' : 'credits'}
      </p>
      <p className="hint">
        {next?.expiresAt
          ? `${next.left} of them expire in ${untilThen(next.expiresAt)}. They are spent first.`
          : remainingCredits
            ? 'None of them ever expires.'
            : 'Everything is spent.'}
      </p>
      <div
        className="burn-down"
        role="img"
        aria-label={`${remainingCredits} of ${granted} granted credits are left`}
      >
        {grants.map(({ id, credits, left }) => (
          <div key={id} className="burn" style={{ flexGrow: credits }}>
            <div className="burn-left" style={{ width: `${(100 * left) / credits}%` }} />
          </div>
        ))}
      </div>
      <ul className="grants" aria-label="Grants, in the order in which they are spent">
        {grants.map(({ id, description, credits, left, expiresAt }) => (
          <li key={id} className={left ? undefined : 'spent'}>
            <span className="grant-name">{description ?? 'Grant'}</span>
            <span className="grant-left">
              <strong>{left}</strong> of {credits}
            </span>
            <span className="grant-expiry">
              {expiresAt ? `until ${dateOf(expiresAt)} · ${untilThen(expiresAt)} left` : 'never expires'}
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}
