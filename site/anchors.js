/** Checks that the heading of each link exists. VitePress checks only its page. */

import fs from 'node:fs'
import path from 'node:path'

/** Throws if a link of the site in `folder` has an anchor without a heading. */
export function checkAnchors(folder) {
  const names = fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.html'))
  const pages = new Map(names.map((name) => [`/${name}`, fs.readFileSync(path.join(folder, name), 'utf8')]))
  const ids = new Map(Array.from(pages, ([page, html]) => [page, idsOf(html)]))
  const dead = Array.from(pages).flatMap(([page, html]) =>
    Array.from(html.matchAll(/<a[^>]* href="([^"#]*)#([^"]+)"/g))
      .filter(([, target]) => !/^https?:/.test(target))
      .map(([, target, anchor]) => [addressOf(target, page), decodeURIComponent(anchor)])
      .filter(([target, anchor]) => !ids.get(target)?.has(anchor))
      .map(([target, anchor]) => `${page}: ${target} has no heading #${anchor}`),
  )
  if (dead.length > 0) throw new Error(`Dead links:\n${[...new Set(dead)].join('\n')}`)
}

const idsOf = (html) => new Set(Array.from(html.matchAll(/ id="([^"]+)"/g), ([, id]) => id))

/** The file of a link's page. */
function addressOf(target, page) {
  const { pathname } = new URL(target || page, `http://site${page}`)
  return pathname.endsWith('/') ? `${pathname}index.html` : pathname
}
