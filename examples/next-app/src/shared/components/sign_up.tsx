'use client'

import { useRouter } from 'next/navigation'
import { useState, useTransition } from 'react'
import { messageOf, post } from '@/shared/lib/api'

/** The page of a visitor without an account. */
export function SignUp() {
  return (
    <main className="welcome">
      <Logo />
      <h1>Subtitles, pictures and clips, paid in credits</h1>
      <p>
        An example app for <strong>media-credits</strong>. What you get is made up, the credits are real:
        every charge and refund is one transaction in this app’s own database.
      </p>
      <SignUpButton className="primary">Start with 100 credits</SignUpButton>
    </main>
  )
}

export function SignUpButton({ className, children }: { className: string; children: string }) {
  const router = useRouter()
  const [error, setError] = useState<string>()
  const [busy, startTransition] = useTransition()

  function signUp() {
    if (busy) return
    startTransition(async () => {
      try {
        await post('/api/user/sign-up')
        setError(undefined)
        router.refresh()
      } catch (reason) {
        setError(messageOf(reason))
      }
    })
  }

  return (
    <>
      <button type="button" className={className} onClick={signUp} aria-disabled={busy}>
        {children}
      </button>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
    </>
  )
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M8 10h16M8 16h11M8 22h6" stroke="var(--on-accent)" strokeWidth="3" strokeLinecap="round" />
    </svg>
  )
}
