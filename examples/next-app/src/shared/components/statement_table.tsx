import { dateOf, signed, timeOf } from '@/shared/lib/format'
import type { Entry } from '@/shared/services/statement'

/** The newest entry is on top, where it is looked for. */
export function StatementTable({ entries }: { entries: Entry[] }) {
  if (!entries.length) return <p className="empty">Nothing was granted or charged yet.</p>
  return (
    <div className="statement" tabIndex={0} role="group" aria-label="Statement, scrollable">
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
          {entries.toReversed().map(({ id, kind, what, at, credits, balance }) => (
            <tr key={id} data-kind={kind}>
              <th scope="row">
                {what}
                <small>
                  {dateOf(at)}, {timeOf(at)}
                </small>
              </th>
              <td className={kind}>{signed(credits)}</td>
              <td>{balance}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
