import { dateOf, untilThen } from '@/shared/lib/format'
import type { Balance } from '@/shared/services/balance'

/** The balance and its grants, in draw order from left to right. */
export function BalancePanel({ balance: { remainingCredits, grants, nextExpiry } }: { balance: Balance }) {
  const granted = grants.reduce((sum, grant) => sum + grant.granted, 0)
  return (
    <>
      <p className="balance">
        <strong data-testid="balance">{remainingCredits}</strong>{' '}
        {remainingCredits === 1 ? 'credit' : 'credits'}
      </p>
      <p className="hint">
        {nextExpiry
          ? `${nextExpiry.credits} of them expire in ${untilThen(nextExpiry.expiresAt)}. They are spent first.`
          : remainingCredits
            ? 'None of them ever expires.'
            : 'Everything is spent.'}
      </p>
      <div
        className="burn-down"
        role="img"
        aria-label={`${remainingCredits} of ${granted} granted credits are left`}
      >
        {grants.map(({ id, granted, remaining }) => (
          <div key={id} className="burn" style={{ flexGrow: granted }}>
            <div className="burn-left" style={{ width: `${(100 * remaining) / granted}%` }} />
          </div>
        ))}
      </div>
      <ul className="grants" aria-label="Grants, in the order in which they are spent">
        {grants.map(({ id, description, granted, remaining, expiresAt }) => (
          <li key={id} className={remaining ? undefined : 'spent'}>
            <span>{description ?? 'Grant'}</span>
            <span>
              <strong>{remaining}</strong> of {granted}
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
