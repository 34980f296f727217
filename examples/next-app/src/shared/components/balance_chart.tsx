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
import { dateOf, describe, signed, timeOf } from '@/shared/lib/format'
import type { Entry } from '@/shared/services/statement'

const DAY_MS = 86_400_000

/** A step chart of the balance: before the first entry, after each entry, and now. */
export function BalanceChart({ entries }: { entries: Entry[] }) {
  const first = entries[0]
  const last = entries.at(-1)
  if (!first || !last) return <p className="empty">There is nothing to show yet.</p>
  const now = Math.max(Date.now(), last.at)
  const points: Point[] = [
    { at: first.at, balance: first.balance - first.credits, what: 'Before' },
    ...entries.map(pointOf),
    { at: now, balance: last.balance, what: 'Now' },
  ]
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
            .filter(({ type }) => type === 'refund')
            .map(({ creditId, at, balance }) => (
              <ReferenceDot
                key={creditId}
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

interface Point {
  at: number
  balance: number
  what: string
}

const pointOf = (entry: Entry): Point => ({
  at: entry.at,
  balance: entry.balance,
  what: `${describe(entry)} ${signed(entry.credits)}`,
})

function Note({ payload }: { payload?: readonly { payload: Point }[] }) {
  const point = payload?.[0]?.payload
  if (!point) return null
  return (
    <div className="note">
      <strong>{point.balance} credits</strong>
      <span>{point.what}</span>
    </div>
  )
}
