'use client'

import { useRouter } from 'next/navigation'
import { useState, type FormEvent } from 'react'
import { messageOf, usePostOnce } from '@/shared/lib/api'
import { MEDIA_TYPES, type MediaType } from '@/shared/lib/catalog'

export function GenerateForm() {
  const router = useRouter()
  const [mediaType, setMediaType] = useState<MediaType>('image')
  const [prompt, setPrompt] = useState('A lighthouse at dawn')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const postOnce = usePostOnce('/api/ai/generate')

  async function generate(event: FormEvent) {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setError(undefined)
    try {
      await postOnce({ mediaType, prompt })
      router.refresh()
    } catch (reason) {
      setError(messageOf(reason))
    } finally {
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void generate(event)} noValidate>
      <label htmlFor="prompt">Prompt</label>
      <input
        id="prompt"
        type="text"
        autoComplete="off"
        value={prompt}
        onChange={(event) => setPrompt(event.target.value)}
        aria-describedby={error ? 'generate-problem' : 'generate-hint'}
      />
      <p className="hint" id="generate-hint">
        With “fail” in it, it fails after a while; with “refuse”, the provider does not begin.
      </p>
      <select
        aria-label="What to make"
        value={mediaType}
        onChange={(event) => setMediaType(event.target.value as MediaType)}
      >
        {Object.entries(MEDIA_TYPES).map(([type, { label, credits }]) => (
          <option key={type} value={type}>
            {label}, {credits} credits
          </option>
        ))}
      </select>
      <button type="submit" className="primary" aria-disabled={busy}>
        {busy ? 'Sending…' : `Generate for ${MEDIA_TYPES[mediaType].credits} credits`}
      </button>
      {error && (
        <p role="alert" id="generate-problem" className="problem">
          {error}
        </p>
      )}
    </form>
  )
}
