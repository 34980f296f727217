import { useCallback, useEffect, useRef, useState } from 'react'

/** How the page talks to the routes. */

/** No answer came, or one that is not the app's, such as a proxy's page. The request may have been done. */
export class Unanswered extends Error {}

/** A server that hangs is not waited for any longer than this. */
const TIMEOUT_MS = 20_000

/** How often the page asks for what is under way. */
export const POLL_MS = 700

/** Resolves to the answer's `data`, and rejects with its `message`. */
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
 * Posts what is charged once, however often it is sent: what got no answer is sent again with the same key, by
 * itself and, if that is in vain, by the user's next click. The key is a new one after a success, or for
 * another body. A refusal has written nothing, so its key is still good.
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

/** `crypto.randomUUID` is there on https and localhost only; a phone may try this out on another address. */
function randomUuid(): string {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  )
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/**
 * What a route answers, asked for at the start and whenever `reload` is called. Answers may overtake one another: one
 * to an earlier question than that of the last is ignored. `merge` adds an answer to what the page knew before.
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
