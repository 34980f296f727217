import { useCallback, useEffect, useRef, useState } from 'react'

/** The client of the app's routes. */

/** No answer, or one that is not the app's, such as a proxy's page. The server may have handled the request. */
export class Unanswered extends Error {}

/** The timeout of a request. */
const TIMEOUT_MS = 20_000

/** The pause between two polls of active tasks. */
export const POLL_MS = 700

/** Resolves to the answer's `data`, or rejects with its `message`. */
export async function call<Data>(method: 'GET' | 'POST', path: string, init?: RequestInit): Promise<Data> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const unanswered = (cause: unknown) => {
    const message = signal.aborted ? 'The server takes too long to answer.' : 'The server does not answer.'
    throw new Unanswered(message, { cause })
  }
  const response = await fetch(path, { ...init, method, signal }).catch(unanswered)
  const answer = await response.json().catch((cause) => (signal.aborted ? unanswered(cause) : undefined))
  if (typeof answer?.code !== 'number') {
    throw new Unanswered(`The server's answer can't be read (HTTP ${response.status}).`)
  }
  if (answer.code !== 0) throw new Error(answer.message)
  return answer.data
}

export function post<Data>(path: string, body: object = {}, headers: Record<string, string> = {}) {
  return call<Data>('POST', path, {
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/**
 * Posts a request that is charged once, even if it is sent again. Without an answer it retries with the same idempotency
 * key; after the last retry the user's next click uses that key too. A success, or another body, starts a new key.
 * A refused request writes nothing, so its key stays valid.
 */
export function usePostOnce<Data>(path: string) {
  const attempt = useRef<{ body: string; key: string }>(undefined)
  return useCallback(
    async (body: object): Promise<Data> => {
      const text = JSON.stringify(body)
      if (attempt.current?.body !== text) attempt.current = { body: text, key: randomUuid() }
      const headers = { 'Idempotency-Key': attempt.current.key }
      for (let tries = 1; ; tries += 1) {
        try {
          const data = await post<Data>(path, body, headers)
          attempt.current = undefined
          return data
        } catch (error) {
          if (!(error instanceof Unanswered) || tries === 3) throw error
          await new Promise((resolve) => setTimeout(resolve, 500 * tries))
        }
      }
    },
    [path],
  )
}

/** `crypto.randomUUID` exists only on https and localhost; a phone may open the app by another address. */
function randomUuid(): string {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  )
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/**
 * A route's answer, requested at the start and by `reload`. Answers may come out of order: one to an older request than
 * that of the last answer is ignored. `merge` adds an answer to the known data.
 */
export function useAnswer<Data>(
  method: 'GET' | 'POST',
  path: string,
  merge?: (known: Data, answer: Data) => Data,
) {
  const [data, setData] = useState<Data>()
  const [error, setError] = useState<string>()
  const asked = useRef(0)
  const answered = useRef(0)
  const add = useCallback(
    (answer: Data) => setData((known) => (known && merge ? merge(known, answer) : answer)),
    [merge],
  )
  const reload = useCallback(async () => {
    const number = (asked.current += 1)
    const outcome = await call<Data>(method, path).then(
      (answer) => ({ answer, problem: undefined }),
      (reason) => ({ answer: undefined, problem: messageOf(reason) }),
    )
    if (number < answered.current) return
    answered.current = number
    if (outcome.answer) add(outcome.answer)
    setError(outcome.problem)
  }, [method, path, add])
  useEffect(() => void reload(), [reload])
  return { data, error, reload, add }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
