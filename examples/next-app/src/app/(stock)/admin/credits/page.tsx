import { ListTable } from '@/shared/components/list_table'
import { CREDIT_COLUMNS } from '@/shared/lib/rows'
import type { Search } from '@/shared/lib/search'
import {
  CreditStatus,
  CreditTransactionType,
  getCredits,
  getCreditsCount,
  type Credit,
} from '@/shared/models/credit'

const COLUMNS = {
  // The user may be deleted.
  User: ({ user }: Credit) => user?.email ?? '–',
  'Transaction no.': ({ transactionNo }: Credit) => transactionNo,
  ...CREDIT_COLUMNS,
}

const TABS = {
  All: {},
  Grants: { type: CreditTransactionType.GRANT },
  Charges: { type: CreditTransactionType.CONSUME },
}

/** All users' credits. Protect it in a real app. */
export default async function AllCreditsPage({ searchParams }: { searchParams: Promise<Search> }) {
  const search = await searchParams
  const limit = search.pageSize || '30'
  const filter = { transactionType: search.type, status: CreditStatus.ACTIVE }
  const [total, rows] = await Promise.all([
    getCreditsCount(filter),
    getCredits({ ...filter, getUser: true, page: search.page || 1, limit }),
  ])
  return (
    <main className="lists">
      <ListTable title="All credits" columns={COLUMNS} tabs={TABS} {...{ rows, total, search, limit }} />
    </main>
  )
}
