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
  checkPages(sections.flatMap(({ items }) => items.map(({ link }) => link)))
  const reference = sections.find(({ text }) => text === 'Reference')
  reference.items.unshift({ text: 'API', link: '/api/', collapsed: true, items: topics() })
  return sections
}

/** A page that the list lacks could not be found. */
function checkPages(links) {
  const pages = fs.readdirSync(path.join(ROOT, 'docs'), { recursive: true })
  const lost = pages.filter(
    (page) => page.endsWith('.md') && page !== 'README.md' && !links.includes(addressOf(page)),
  )
  if (lost.length > 0) throw new Error(`docs/README.md does not list docs/${lost.join(', docs/')}`)
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
