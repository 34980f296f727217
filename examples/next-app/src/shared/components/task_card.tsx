'use client'

import { useEffect, useRef, useState } from 'react'
import { call, messageOf, POLL_MS, usePostOnce } from '@/shared/lib/api'
import {
  FAILING_LANGUAGE,
  isActive,
  LANGUAGES,
  TRANSLATION_CREDITS,
  type Language,
} from '@/shared/lib/catalog'
import { lengthOf } from '@/shared/lib/format'
import { nameOf, refundOf, statusOf } from '@/shared/lib/tasks'
import type { TaskView } from '@/shared/services/task_view'

/** The number of failed requests after which the card shows an error. */
const UNANSWERED = 3

export function TaskCard({ task, onTask }: { task: TaskView; onTask: (task: TaskView) => void }) {
  const problem = usePolling(task, onTask)
  const card = useRef<HTMLLIElement>(null)
  const name = nameOf(task)
  const refund = refundOf(task)
  const language = LANGUAGES[task.targetLang as Language]
  const details = [
    task.platform === 'tiktok' ? 'TikTok' : 'YouTube',
    task.author,
    task.duration && lengthOf(task.duration),
    task.outputType === 'video' ? 'Video' : 'Subtitles',
    task.isFreeTrial && 'Free trial',
    task.status !== 'extracted' && language,
  ]

  function onCharged(charged: TaskView) {
    // Keep the focus: the button disappears while the task is active.
    card.current?.focus({ preventScroll: true })
    onTask(charged)
  }

  return (
    <li className="task" ref={card} tabIndex={-1} aria-label={name}>
      <div className="task-head">
        <h3>{name}</h3>
        <span className={`badge ${task.status}`}>{statusOf(task)}</span>
      </div>
      <p className="hint">{details.filter(Boolean).join(' · ')}</p>
      {isActive(task.status) && (
        <div className="progress">
          <progress max={100} value={task.progress} aria-label={`Progress of ${name}`} />
          <span>{task.progress} %</span>
        </div>
      )}
      {problem && (
        <p role="alert" className="problem">
          {problem} Trying again…
        </p>
      )}
      {task.status === 'failed' && (
        <p className="failure">
          {task.errorMessage}{' '}
          {refund && <span className="badge refund">{refund.credits} credits refunded</span>}
        </p>
      )}
      {!isActive(task.status) && task.subtitleRaw && <Subtitles task={task} language={language} />}
      {!isActive(task.status) && task.subtitleRaw && (
        <Translate task={task} name={name} onCharged={onCharged} />
      )}
      <Charges charges={task.charges} />
    </li>
  )
}

/** Polls the status of a task while it is active. Returns an error message while the requests fail. */
function usePolling({ id, status, updatedAt }: TaskView, onTask: (task: TaskView) => void) {
  const [problem, setProblem] = useState<string>()
  useEffect(() => {
    if (!isActive(status)) return
    let stopped = false
    let failures = 0
    let timer: ReturnType<typeof setTimeout>
    const ask = async () => {
      try {
        const now = await call<TaskView>('GET', `/api/media/status?id=${id}`)
        if (stopped) return
        failures = 0
        setProblem(undefined)
        if (now.updatedAt !== updatedAt) onTask(now)
      } catch (error) {
        failures += 1
        if (!stopped && failures >= UNANSWERED) setProblem(messageOf(error))
      }
      askLater()
    }
    // One request at a time: the next one waits for the answer.
    const askLater = () => {
      if (!stopped) timer = setTimeout(() => void ask(), POLL_MS)
    }
    askLater()
    return () => {
      stopped = true
      clearTimeout(timer)
      setProblem(undefined)
    }
  }, [id, status, updatedAt, onTask])
  return problem
}

function Subtitles({ task, language }: { task: TaskView; language: string | undefined }) {
  const translated = task.status === 'completed' && task.subtitleTranslated
  return (
    <details>
      <summary>{translated ? `Subtitles in ${language}` : 'Subtitles'}</summary>
      <pre>{translated || task.subtitleRaw}</pre>
    </details>
  )
}

function Translate({
  task,
  name,
  onCharged,
}: {
  task: TaskView
  name: string
  onCharged: (task: TaskView) => void
}) {
  const [targetLanguage, setTargetLanguage] = useState<Language>('de')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const postOnce = usePostOnce<TaskView>('/api/media/translate')

  async function translate() {
    if (busy) return
    setBusy(true)
    setError(undefined)
    try {
      onCharged(await postOnce({ taskId: task.id, targetLanguage }))
    } catch (reason) {
      setError(messageOf(reason))
    } finally {
      setBusy(false)
    }
  }

  return (
    <>
      <div className="translate">
        <select
          aria-label={`Language to translate ${name} to`}
          value={targetLanguage}
          onChange={(event) => setTargetLanguage(event.target.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([code, label]) => (
            <option key={code} value={code}>
              {label}
              {code === FAILING_LANGUAGE && ' (always fails)'}
            </option>
          ))}
        </select>
        <button type="button" className="secondary" onClick={() => void translate()} aria-disabled={busy}>
          Translate for {TRANSLATION_CREDITS} credits
        </button>
      </div>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
    </>
  )
}

function Charges({ charges }: { charges: TaskView['charges'] }) {
  return (
    <ul className="charges" aria-label="Charges">
      {charges.map(({ id, what, credits, refunded }) => (
        <li key={id}>
          <span>{what}</span>
          {refunded ? (
            <span>
              <s>−{credits}</s> refunded
            </span>
          ) : (
            <span>−{credits}</span>
          )}
        </li>
      ))}
    </ul>
  )
}
