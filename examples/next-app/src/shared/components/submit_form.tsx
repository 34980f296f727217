'use client'

import { useRef, useState, type FormEvent } from 'react'
import { messageOf, usePostOnce } from '@/shared/lib/api'
import { OUTPUTS, platformOf, URL_WANTED, type OutputType } from '@/shared/lib/catalog'
import type { PlanBalance } from '@/shared/services/plan'
import type { TaskView } from '@/shared/services/task_view'
import { PlanLine } from './plan_line'

const QUICK_CHOICES = {
  YouTube: 'https://www.youtube.com/watch?v=two-clocks',
  TikTok: 'https://www.tiktok.com/@tidewatch/video/15',
  'One that fails': 'https://www.youtube.com/watch?v=fail',
  'One that hangs': 'https://www.youtube.com/watch?v=hang',
}

export function SubmitForm({
  balance,
  onTask,
  onPlan,
}: {
  /** Missing while it loads, or after an error. The form works without it. */
  balance: PlanBalance | undefined
  onTask: (task: TaskView) => void
  onPlan: () => void
}) {
  const [url, setUrl] = useState('')
  const [outputType, setOutputType] = useState<OutputType>('subtitle')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const postOnce = usePostOnce<TaskView>('/api/media/submit')
  const { credits } = OUTPUTS[outputType]
  const isFree = balance && balance.remainingCredits < credits && balance.plan.freeTrialsLeft > 0

  function enter(entered: string) {
    setUrl(entered)
    setError(undefined)
  }

  async function submit(event: FormEvent) {
    event.preventDefault()
    if (busy) return
    if (!platformOf(url)) {
      setError(URL_WANTED)
      input.current?.focus()
      return
    }
    setBusy(true)
    setError(undefined)
    try {
      onTask(await postOnce({ url, outputType }))
      setUrl('')
    } catch (reason) {
      setError(messageOf(reason))
    } finally {
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <label htmlFor="url">Video URL</label>
      <input
        ref={input}
        id="url"
        type="url"
        inputMode="url"
        autoComplete="off"
        placeholder="https://www.youtube.com/watch?v=…"
        value={url}
        onChange={(event) => enter(event.target.value)}
        aria-invalid={error === URL_WANTED}
        aria-describedby={error && 'submit-problem'}
      />
      <div className="choices" role="group" aria-label="Quick choices">
        {Object.entries(QUICK_CHOICES).map(([name, value]) => (
          <button key={name} type="button" className="chip" onClick={() => enter(value)}>
            {name}
          </button>
        ))}
      </div>
      <fieldset className="outputs">
        <legend>Output</legend>
        {(Object.keys(OUTPUTS) as OutputType[]).map((type) => (
          <label key={type}>
            <input
              type="radio"
              name="outputType"
              checked={outputType === type}
              onChange={() => setOutputType(type)}
            />
            <span>{OUTPUTS[type].label}</span>
            <small>{OUTPUTS[type].credits} credits</small>
          </label>
        ))}
      </fieldset>
      <button type="submit" className="primary" aria-disabled={busy}>
        {busy ? 'Submitting…' : isFree ? 'Submit for free, as a trial' : `Submit for ${credits} credits`}
      </button>
      {error && (
        <p role="alert" id="submit-problem" className="problem">
          {error}
        </p>
      )}
      {balance && <PlanLine plan={balance.plan} onPlan={onPlan} />}
    </form>
  )
}
