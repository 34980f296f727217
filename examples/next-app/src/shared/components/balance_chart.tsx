'use client'

import {
  Area,
  AreaChart,
  CartesianGrid,
  ReferenceDot,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts'
import { dateOf, signed, timeOf } from '@/shared/lib/format'
import type { Entry } from '@/shared/services/statement'

const DAY_MS = 86_400_000

/** The balance after each entry, up to now. It changes in steps. */
export function BalanceChart({ entries }: { entries: Entry[] }) {
  const first = entries[0]
  const last = entries.at(-1)
  if (!first || !last) return <p className="empty">There is nothing to show yet.</p>
  const now = Math.max(Date.now(), last.at)
  const points: Partial<Entry>[] = [...entries, { at: now, balance: last.balance }]
  const labelOf = now - first.at < DAY_MS ? timeOf : dateOf
  return (
    <figure className="chart">
      <ResponsiveContainer width="100%" height="100%">
        <AreaChart
          title="The balance after each entry"
          data={points}
          margin={{ top: 12, right: 12, bottom: 0, left: -16 }}
        >
          <CartesianGrid vertical={false} stroke="var(--line)" />
          <XAxis
            dataKey="at"
            type="number"
            domain={['dataMin', 'dataMax']}
            tickFormatter={labelOf}
            tickCount={4}
            minTickGap={32}
            stroke="var(--muted)"
            tickLine={false}
            fontSize={12}
          />
          <YAxis
            allowDecimals={false}
            axisLine={false}
            tickLine={false}
            stroke="var(--muted)"
            fontSize={12}
          />
          <Tooltip content={<Note />} isAnimationActive={false} />
          <Area
            dataKey="balance"
            type="stepAfter"
            stroke="var(--accent)"
            strokeWidth={2}
            fill="var(--accent)"
            fillOpacity={0.14}
            isAnimationActive={false}
          />
          {entries
            .filter(({ kind }) => kind === 'refund')
            .map(({ id, at, balance }) => (
              <ReferenceDot
                key={id}
                x={at}
                y={balance}
                r={4}
                fill="var(--surface)"
                stroke="var(--good)"
                strokeWidth={2}
              />
            ))}
        </AreaChart>
      </ResponsiveContainer>
      <figcaption>
        {entries.length} entries since {dateOf(first.at)}, {timeOf(first.at)}. Rings are refunds.
      </figcaption>
    </figure>
  )
}

function Note({ payload }: { payload?: readonly { payload: Partial<Entry> }[] }) {
  const entry = payload?.[0]?.payload
  if (!entry) return null
  return (
    <div className="note">
      <strong>{entry.balance} credits</strong>
      <span>{entry.what ? `${entry.what} ${signed(entry.credits ?? 0)}` : 'Now'}</span>
    </div>
  )
}
