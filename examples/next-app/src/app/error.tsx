'use client'

/** The error page, for example if the database has no tables yet. */
export default function PageError({ reset }: { reset: () => void }) {
  return (
    <main className="welcome">
      <h1>The page could not be loaded</h1>
      <p role="alert">Is there such a page, and was the database prepared with “npm run db:init”?</p>
      <button type="button" className="primary" onClick={reset}>
        Try again
      </button>
    </main>
  )
}
