import { redirect } from 'next/navigation'
import { isStock } from '@/config/database'
import { Dashboard } from '@/shared/components/dashboard'
import { SignUp } from '@/shared/components/sign_up'
import { getSignedInUser } from '@/shared/models/user'

export default async function Page() {
  const user = await getSignedInUser()
  // Asked at each request, as cookies are: one build is both.
  if (isStock()) redirect('/activity/ai-tasks')
  // The key makes a page of another user a new one.
  return user ? <Dashboard key={user.id} userName={user.name} /> : <SignUp />
}
