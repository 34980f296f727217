'use client'

import { useRouter } from 'next/navigation'
import { useEffect, useState } from 'react'
import { messageOf, POLL_MS, post } from '@/shared/lib/api'

/** Polls the provider, through the server, for active tasks, and refreshes the page. */
export function WatchTasks({ ids }: { ids: string[] }) {
  const router = useRouter()
  const [problem, setProblem] = useState<string>()
  const watched = ids.join(' ')
  useEffect(() => {
    if (!watched) return
    let stopped = false
    let timer: ReturnType<typeof setTimeout>
    const ask = async () => {
      try {
        await Promise.all(watched.split(' ').map((taskId) => post('/api/ai/query', { taskId })))
        if (stopped) return
        setProblem(undefined)
        router.refresh()
      } catch (error) {
        if (!stopped) setProblem(messageOf(error))
      }
      askLater()
    }
    const askLater = () => {
      if (!stopped) timer = setTimeout(() => void ask(), POLL_MS)
    }
    askLater()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [watched, router])
  return (
    problem && (
      <p role="alert" className="problem">
        {problem} Trying again…
      </p>
    )
  )
}
