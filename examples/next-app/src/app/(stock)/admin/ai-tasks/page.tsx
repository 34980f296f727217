import { ListTable } from '@/shared/components/list_table'
import { MEDIA_TYPE_TABS } from '@/shared/lib/catalog'
import { AI_TASK_COLUMNS } from '@/shared/lib/rows'
import type { Search } from '@/shared/lib/search'
import { getAITasks, getAITasksCount, type AITask } from '@/shared/models/ai_task'

const COLUMNS = {
  // The user may be deleted.
  User: ({ user }: AITask) => user?.email ?? '–',
  ...AI_TASK_COLUMNS,
}

/** All users' AI tasks. Protect it in a real app. */
export default async function AllAITasksPage({ searchParams }: { searchParams: Promise<Search> }) {
  const search = await searchParams
  const limit = search.pageSize || '30'
  const filter = { mediaType: search.type }
  const [total, rows] = await Promise.all([
    getAITasksCount(filter),
    getAITasks({ ...filter, getUser: true, page: search.page || 1, limit }),
  ])
  return (
    <main className="lists">
      <ListTable
        title="All AI tasks"
        columns={COLUMNS}
        tabs={MEDIA_TYPE_TABS}
        {...{ rows, total, search, limit }}
      />
    </main>
  )
}
