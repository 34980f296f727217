/** The sidebar: the sections and pages of `docs/README.md`, in its order. */

import fs from 'node:fs'
import path from 'node:path'
import { ROOT } from './pages.js'

const HEADING = /^## (.*)$/
const PAGE = /^\d+\. \[([^\]]+)\]\(([^)#]+)\)/

export function sidebar() {
  const sections = []
  for (const line of fs.readFileSync(path.join(ROOT, 'docs/README.md'), 'utf8').split('\n')) {
    const [, heading] = HEADING.exec(line) ?? []
    const [, text, target] = PAGE.exec(line) ?? []
    if (heading) sections.push({ text: heading, items: [] })
    if (text) sections.at(-1).items.push({ text, link: addressOf(target) })
  }
  const reference = sections.find(({ text }) => text === 'Reference')
  reference.items.unshift({ text: 'API', link: '/api/', collapsed: true, items: topics() })
  return sections
}

const addressOf = (target) =>
  path.posix
    .join('/docs', target)
    .replace(/README\.md$/, '')
    .replace(/\.md$/, '')

/** The pages of the API: a file of `types/` each. */
const topics = () =>
  fs
    .readdirSync(path.join(ROOT, 'types'))
    .filter((name) => name.endsWith('.d.ts'))
    .map((name) => name.replace('.d.ts', ''))
    .map((topic) => ({ text: topic, link: `/api/${topic}` }))
