'use client'

import dynamic from 'next/dynamic'
import Link from 'next/link'
import { useCallback, useState } from 'react'
import { useAnswer } from '@/shared/lib/api'
import { isActive } from '@/shared/lib/catalog'
import { mergeTasks, nameOf, refundOf, statusOf } from '@/shared/lib/tasks'
import type { PlanBalance } from '@/shared/services/plan'
import type { Statement } from '@/shared/services/statement'
import type { TaskView } from '@/shared/services/task_view'
import { BalancePanel } from './balance_panel'
import { Panel } from './panel'
import { Logo, SignUpButton } from './sign_up'
import { StatementTable } from './statement_table'
import { SubmitForm } from './submit_form'
import { TaskCard } from './task_card'
import { TasksPanel } from './tasks_panel'

// The chart measures its size, so it renders only in a browser.
const BalanceChart = dynamic(() => import('./balance_chart').then((module) => module.BalanceChart), {
  ssr: false,
  loading: () => <div className="skeleton chart" />,
})

/** The number of statement entries at first, and of those that each click adds. */
const ENTRIES = 20

export function Dashboard({ userName }: { userName: string }) {
  const [entries, setEntries] = useState(ENTRIES)
  const balance = useAnswer<PlanBalance>('POST', '/api/user/get-user-credits')
  const statement = useAnswer<Statement>('GET', `/api/user/statement?newest=${entries}`)
  const tasks = useAnswer<TaskView[]>('GET', '/api/media/history', mergeTasks)
  const [announcement, setAnnouncement] = useState('')

  const { reload: reloadBalance } = balance
  const { reload: reloadStatement } = statement
  const { add: addTasks } = tasks

  /** Handles a new or changed task. */
  const onTask = useCallback(
    (task: TaskView) => {
      addTasks([task])
      const refund = refundOf(task)
      const outcome = refund ? `${statusOf(task)}, ${refund.credits} credits refunded` : statusOf(task)
      setAnnouncement(`${nameOf(task)}: ${outcome}`)
      // The balance changes when a step starts or ends.
      if (task.progress === 0 || !isActive(task.status)) {
        void reloadBalance()
        void reloadStatement()
      }
    },
    [addTasks, reloadBalance, reloadStatement],
  )

  const reloadAll = () => void Promise.all([balance.reload(), statement.reload(), tasks.reload()])

  return (
    <>
      <header className="top">
        <Logo />
        <p className="brand">Subtitle desk</p>
        <p className="who">{userName}</p>
        <SignUpButton className="quiet">New demo account</SignUpButton>
      </header>
      <p role="status" className="visually-hidden">
        {announcement}
      </p>
      <main className="desk">
        <h1 className="visually-hidden">Subtitle desk</h1>
        <Panel title="Balance" area="balance" answer={balance}>
          {(data) => <BalancePanel balance={data} />}
        </Panel>
        <section className="panel form-area" aria-labelledby="new-task">
          <h2 id="new-task">New task</h2>
          <SubmitForm balance={balance.data} onTask={onTask} onPlan={() => void balance.reload()} />
        </section>
        <Panel title="Tasks" area="tasks" answer={tasks}>
          {(list) => (
            <TasksPanel list={list} onReaped={reloadAll}>
              {(task) => <TaskCard key={task.id} task={task} onTask={onTask} />}
            </TasksPanel>
          )}
        </Panel>
        <Panel title="Credits over time" area="chart" answer={statement}>
          {(data) => <BalanceChart entries={data.entries} />}
        </Panel>
        <Panel title="Statement" area="statement" answer={statement}>
          {(data) => <StatementTable {...data} onEarlier={() => setEntries(entries + ENTRIES)} />}
        </Panel>
      </main>
      <footer className="foot">
        The provider is a stand-in and needs no network. The credits are real rows of this app’s database.{' '}
        <Link href="/activity/ai-tasks" prefetch={false}>
          AI tasks, and lists of all
        </Link>
      </footer>
    </>
  )
}
