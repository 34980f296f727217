'use client'

import { useRef } from 'react'
import { dateOf, describe, signed, timeOf } from '@/shared/lib/format'
import type { Statement } from '@/shared/services/statement'

/** The statement, with the newest entry on top. */
export function StatementTable({
  entries,
  hasEarlier,
  onEarlier,
}: Statement & {
  onEarlier: () => void
}) {
  const scrollable = useRef<HTMLDivElement>(null)
  if (!entries.length) return <p className="empty">Nothing was granted or charged yet.</p>

  function showEarlier() {
    // Keep the focus: the button may disappear.
    scrollable.current?.focus({ preventScroll: true })
    onEarlier()
  }

  return (
    <div className="statement" ref={scrollable} tabIndex={0} role="group" aria-label="Statement, scrollable">
      <table>
        <caption className="visually-hidden">Grants, charges and refunds, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">Entry</th>
            <th scope="col">Credits</th>
            <th scope="col">Balance</th>
          </tr>
        </thead>
        <tbody>
          {entries.toReversed().map((entry) => (
            <tr key={`${entry.creditId} ${entry.type} ${entry.at} ${entry.balance}`}>
              <th scope="row">
                {describe(entry)}
                <small>
                  {dateOf(entry.at)}, {timeOf(entry.at)}
                </small>
              </th>
              <td className={entry.type}>{signed(entry.credits)}</td>
              <td>{entry.balance}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hasEarlier && (
        <button type="button" className="link" onClick={showEarlier}>
          Show earlier entries
        </button>
      )}
    </div>
  )
}
