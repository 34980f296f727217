import { ListTable } from '@/shared/components/list_table'
import { SignUp } from '@/shared/components/sign_up'
import { CREDIT_COLUMNS } from '@/shared/lib/rows'
import type { Search } from '@/shared/lib/search'
import {
  CreditStatus,
  CreditTransactionType,
  getCredits,
  getCreditsCount,
  getRemainingCredits,
} from '@/shared/models/credit'
import { getSignedInUser } from '@/shared/models/user'

const TABS = {
  All: {},
  Grants: { type: CreditTransactionType.GRANT },
  Charges: { type: CreditTransactionType.CONSUME },
  // A refunded charge stays, with the status `deleted`.
  Refunded: { type: CreditTransactionType.CONSUME, status: CreditStatus.DELETED },
}

/** The user's grants and charges. */
export default async function CreditsPage({ searchParams }: { searchParams: Promise<Search> }) {
  const user = await getSignedInUser()
  if (!user) return <SignUp />
  const search = await searchParams
  const limit = search.pageSize || '20'
  const filter = {
    userId: user.id,
    transactionType: search.type,
    status: search.status || CreditStatus.ACTIVE,
  }
  const [balance, total, rows] = await Promise.all([
    getRemainingCredits(user.id),
    getCreditsCount(filter),
    getCredits({ ...filter, page: search.page || 1, limit }),
  ])
  return (
    <main className="lists">
      <p className="balance">
        <strong data-testid="balance">{balance}</strong> credits
      </p>
      <ListTable title="Credits" columns={CREDIT_COLUMNS} tabs={TABS} {...{ rows, total, search, limit }} />
    </main>
  )
}
