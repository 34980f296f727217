import { GenerateForm } from '@/shared/components/generate_form'
import { ListTable } from '@/shared/components/list_table'
import { SignUp } from '@/shared/components/sign_up'
import { WatchTasks } from '@/shared/components/watch_tasks'
import { isActive, MEDIA_TYPE_TABS } from '@/shared/lib/catalog'
import { AI_TASK_COLUMNS } from '@/shared/lib/rows'
import type { Search } from '@/shared/lib/search'
import { getAITasks, getAITasksCount } from '@/shared/models/ai_task'
import { getRemainingCredits } from '@/shared/models/credit'
import { getSignedInUser } from '@/shared/models/user'

/** The user's AI tasks, and the form for a new one. */
export default async function AITasksPage({ searchParams }: { searchParams: Promise<Search> }) {
  const user = await getSignedInUser()
  if (!user) return <SignUp />
  const search = await searchParams
  const limit = search.pageSize || '20'
  const filter = { userId: user.id, mediaType: search.type }
  const [balance, total, rows] = await Promise.all([
    getRemainingCredits(user.id),
    getAITasksCount(filter),
    getAITasks({ ...filter, page: search.page || 1, limit }),
  ])
  return (
    <main className="lists">
      <p className="balance">
        <strong data-testid="balance">{balance}</strong> credits
      </p>
      <section className="panel" aria-label="New AI task">
        <GenerateForm />
      </section>
      <WatchTasks ids={rows.filter(({ status }) => isActive(status)).map(({ id }) => id)} />
      <ListTable
        title="AI tasks"
        columns={AI_TASK_COLUMNS}
        tabs={MEDIA_TYPE_TABS}
        {...{ rows, total, search, limit }}
      />
    </main>
  )
}
