import { redirect } from 'next/navigation'
import { isStock } from '@/config/database'
import { Dashboard } from '@/shared/components/dashboard'
import { SignUp } from '@/shared/components/sign_up'
import { getSignedInUser } from '@/shared/models/user'

export default async function Page() {
  const user = await getSignedInUser()
  // Checked at each request, so one build serves both apps.
  if (isStock()) redirect('/activity/ai-tasks')
  // The key resets the page's state for another user.
  return user ? <Dashboard key={user.id} userName={user.name} /> : <SignUp />
}
