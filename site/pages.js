/**
 * Copies the repository's pages to `.pages/` for VitePress, in the same folders. A README becomes its folder's `index.md`, and a linked source
 * file becomes a page.
 */

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawn } from './diagrams.js'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
export const PAGES = fileURLToPath(new URL('.pages', import.meta.url))

/** Paths from the root. */
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'examples/next-app/README.md',
  ...fs
    .readdirSync(path.join(ROOT, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

const FENCED = /^( *)(`{3,})[^\n]*\n[\s\S]*?^\1\2$/gm
const COMMENT = /^ *<!--[\s\S]*?-->\n/gm
const LINK = /\[((?:[^\][]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g
const ATTRIBUTE = /\b(src|href)="([^"]+)"/g

const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8')
const asIndex = (page) => page.replace(/(^|\/)README\.md$/, '$1index.md')
const isFolder = (file) => fs.statSync(path.join(ROOT, file)).isDirectory()

/** Copies all pages, with their links rewritten for the site. */
export function copyPages() {
  for (const page of pages) {
    // Comments beside code blocks are only for the tests.
    write(asIndex(page), withLinks(page, read(page).replace(COMMENT, '')))
  }
  fs.cpSync(path.join(ROOT, 'docs/images'), path.join(PAGES, 'docs/images'), { recursive: true })
}

function withLinks(page, content) {
  const blocks = content.match(FENCED) ?? []
  const linked = content
    .replace(FENCED, '\0')
    .replace(LINK, (link, text, target) => {
      const to = linkFrom(page, target)
      return to === undefined ? text : link.replace(`(${target})`, `(${to})`)
    })
    .replace(ATTRIBUTE, (_, name, target) => `${name}="${linkFrom(page, target)}"`)
  return linked.replace(/\0/g, () => drawn(blocks.shift()))
}

/** The target of a link on the site; `undefined` for a folder. */
function linkFrom(page, target) {
  if (/^(https?:|#)/.test(target)) return target
  const [relative, anchor = ''] = target.split(/(?=#)/)
  const file = path.posix.join(path.posix.dirname(page), relative)
  if (pages.includes(file)) return `/${asIndex(file).replace(/\.md$/, '')}${anchor}`.replace(/\/index$/, '/')
  if (/\.(png|svg)$/.test(file)) return `/${file}`
  return isFolder(file) ? undefined : `/${sourcePage(file)}`
}

/** Makes a page of a source file. */
function sourcePage(file) {
  const language = path.extname(file).slice(1) || 'text'
  const name = `files/${file.replaceAll('.', '-')}`
  write(
    `${name}.md`,
    `---\nsearch: false\n---\n\n# ${file}\n\n\`\`\`\`${language}\n${read(file)}\n\`\`\`\`\n`,
  )
  return name
}

function write(file, content) {
  const target = path.join(PAGES, file)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.writeFileSync(target, content)
}
