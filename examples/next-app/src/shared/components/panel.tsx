import { useId, useRef, type ReactNode } from 'react'

interface Answer<Data> {
  data: Data | undefined
  error: string | undefined
  reload: () => Promise<void>
}

/** A section of the page that shows a route's answer: loading, an error, or the data. */
export function Panel<Data>({
  title,
  area,
  answer: { data, error, reload },
  children,
}: {
  title: string
  /** Its place on a wide screen. */
  area: 'balance' | 'tasks' | 'chart' | 'statement'
  answer: Answer<Data>
  children: (data: Data) => ReactNode
}) {
  const id = useId()
  const panel = useRef<HTMLElement>(null)

  function tryAgain() {
    // Keep the focus: on success the button disappears.
    panel.current?.focus({ preventScroll: true })
    void reload()
  }

  return (
    <section
      ref={panel}
      tabIndex={-1}
      className={`panel ${area}-area`}
      aria-labelledby={id}
      aria-busy={!data && !error}
    >
      <h2 id={id}>{title}</h2>
      {error && (
        <p role="alert" className="problem">
          {error}{' '}
          <button type="button" className="link" onClick={tryAgain}>
            Try again
          </button>
        </p>
      )}
      {data ? children(data) : !error && <Skeleton />}
    </section>
  )
}

function Skeleton() {
  return (
    <div className="skeletons">
      <span className="visually-hidden">Loading…</span>
      <div className="skeleton" />
      <div className="skeleton" />
      <div className="skeleton" />
    </div>
  )
}
