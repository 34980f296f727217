import Link from 'next/link'
import type { ReactNode } from 'react'
import { isStock } from '@/config/database'
import { Logo, SignUpButton } from '@/shared/components/sign_up'

const PAGES = {
  '/activity/ai-tasks': 'AI tasks',
  '/settings/credits': 'Credits',
  '/admin/ai-tasks': 'All AI tasks',
  '/admin/credits': 'All credits',
}

/** The layout of the pages that the media app and the stock app share. */
export default function Layout({ children }: { children: ReactNode }) {
  const pages = isStock() ? PAGES : { '/': 'Subtitle desk', ...PAGES }
  return (
    <>
      <header className="top">
        <Logo />
        <nav className="pages" aria-label="Pages">
          {Object.entries(pages).map(([path, title]) => (
            <Link key={path} href={path} prefetch={false}>
              {title}
            </Link>
          ))}
        </nav>
        <SignUpButton className="quiet">New demo account</SignUpButton>
      </header>
      {children}
    </>
  )
}
