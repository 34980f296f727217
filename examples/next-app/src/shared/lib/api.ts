import { useCallback, useEffect, useState } from 'react'

/** How the page talks to the routes. */

/** Resolves to the answer's `data`, and rejects with its `message`. */
export async function call<Data>(method: 'GET' | 'POST', path: string, init?: RequestInit): Promise<Data> {
  const response = await fetch(path, { ...init, method })
  const answer = await response.json()
  if (answer.code !== 0) throw new Error(answer.message)
  return answer.data
}

export function post<Data>(path: string, body: object = {}, headers: Record<string, string> = {}) {
  return call<Data>('POST', path, {
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** Sends again what got no answer, with the same key, so that it is charged once. */
export async function postOnce<Data>(path: string, body: object): Promise<Data> {
  const headers = { 'Idempotency-Key': randomUuid() }
  for (let tries = 1; ; tries += 1) {
    try {
      return await post<Data>(path, body, headers)
    } catch (error) {
      // `fetch` says TypeError if there was no answer, and JSON SyntaxError if it was cut off.
      const unanswered = error instanceof TypeError || error instanceof SyntaxError
      if (!unanswered || tries === 3) throw error
      await new Promise((resolve) => setTimeout(resolve, 500 * tries))
    }
  }
}

/** `crypto.randomUUID` is there on https and localhost only; a phone may try this out on another address. */
function randomUuid(): string {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  )
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** What a route answers, asked for at the start and whenever `reload` is called. */
export function useAnswer<Data>(method: 'GET' | 'POST', path: string) {
  const [data, setData] = useState<Data>()
  const [error, setError] = useState<string>()
  const reload = useCallback(async () => {
    try {
      setData(await call<Data>(method, path))
      setError(undefined)
    } catch (reason) {
      setError(messageOf(reason))
    }
  }, [method, path])
  useEffect(() => void reload(), [reload])
  return { data, error, reload, setData }
}

export function messageOf(error: unknown): string {
  if (error instanceof TypeError) return 'The server does not answer.'
  return error instanceof Error ? error.message : String(error)
}
