/** Draws the Mermaid diagrams of the pages while the site is built: readers load a picture, and no program that draws one. */

import { renderMermaidSVG } from 'beautiful-mermaid'

/** The colours are the site's own, so a diagram follows its light and dark appearance. */
const COLOURS = { bg: 'var(--vp-c-bg)', fg: 'var(--vp-c-text-1)', transparent: true }

const BLOCK = /^```mermaid\n([\s\S]*?)\n```$/

/** A fenced block as the site shows it: a diagram as a picture, any other block as it is. */
export function drawn(block) {
  const [, source] = BLOCK.exec(block) ?? []
  return source === undefined ? block : `<div>${forVue(renderMermaidSVG(source, COLOURS))}</div>`
}

/** A page is a template of Vue, which takes no `<style>`, and an HTML block of Markdown, which ends at a blank line. */
const forVue = (svg) =>
  svg
    // The font would be loaded from another site.
    .replace(/^ *@import .*\n/m, '')
    .replace('style="', 'style="max-width: 100%; height: auto; ')
    .replace('<style>', `<component :is="'style'">`)
    .replace('</style>', '</component>')
    .replace(/\n\s*\n/g, '\n')
