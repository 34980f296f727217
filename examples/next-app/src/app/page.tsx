import { Dashboard } from '@/shared/components/dashboard'
import { SignUp } from '@/shared/components/sign_up'
import { getSignedInUser } from '@/shared/models/user'

export default async function Page() {
  const user = await getSignedInUser()
  // The key makes a page of another user a new one.
  return user ? <Dashboard key={user.id} userName={user.name} /> : <SignUp />
}
