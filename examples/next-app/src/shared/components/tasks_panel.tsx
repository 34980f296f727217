'use client'

import { useState, type ReactNode } from 'react'
import { messageOf, post } from '@/shared/lib/api'
import { isActive } from '@/shared/lib/catalog'
import type { TaskView } from '@/shared/services/task_view'

export function TasksPanel({
  list,
  onReaped,
  children,
}: {
  list: TaskView[]
  onReaped: () => void
  children: (task: TaskView) => ReactNode
}) {
  const [outcome, setOutcome] = useState('')

  async function reap() {
    try {
      const { failed, credits } = await post<{ failed: number; credits: number }>('/api/admin/reap')
      setOutcome(failed ? `${failed} failed, ${credits} credits refunded` : 'No task is stuck (yet)')
      onReaped()
    } catch (error) {
      setOutcome(messageOf(error))
    }
  }

  if (!list.length) {
    return (
      <p className="empty">
        No tasks yet. Choose a video and submit it: it is charged at once, and refunded if it fails.
      </p>
    )
  }
  return (
    <>
      <ul className="tasks">{list.map(children)}</ul>
      {(outcome || list.some(({ status }) => isActive(status))) && (
        <p className="reap">
          <button type="button" className="link" onClick={() => void reap()}>
            Refund stuck tasks
          </button>{' '}
          <span role="status">{outcome}</span>
        </p>
      )}
    </>
  )
}
