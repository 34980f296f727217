'use strict'

/** The things that a page names: other pages, and files, functions and commands of this repository. */

const fs = require('node:fs')
const path = require('node:path')
const { ROOT } = require('./blocks')
const { problemWith } = require('./shell')

const SOURCES = ['src', 'tests'].flatMap((folder) =>
  fs.readdirSync(path.join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`),
)

/** A page without its blocks, whose lines are blank. */
function proseOf(content) {
  let fence
  const prose = content.split('\n').map((line) => {
    const [, mark] = /^ *(`{3,}|~{3,})/.exec(line) ?? []
    const inBlock = fence !== undefined || mark !== undefined
    if (fence === undefined) fence = mark
    else if (line.trim() === fence) fence = undefined
    return inBlock ? '' : line
  })
  return prose.join('\n')
}

/** The anchor of a heading, as GitHub makes it. */
const slug = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-')

function anchorsOf(file) {
  const headings = proseOf(fs.readFileSync(file, 'utf8')).matchAll(/^#+ (.*)$/gm)
  return Array.from(headings, ([, heading]) => slug(heading))
}

/** Why a link leads nowhere. */
function problemWithLink(page, target) {
  if (/^https?:/.test(target)) return undefined
  const [relative, anchor] = target.split('#')
  const file = relative === '' ? path.join(ROOT, page) : path.join(ROOT, path.dirname(page), relative)
  if (!fs.existsSync(file)) return `leads nowhere: ${target}`
  if (anchor !== undefined && !anchorsOf(file).includes(anchor)) return `there is no heading #${anchor}`
  return undefined
}

/** Whether a path in backticks exists, from the root, from the page, or as the end of a source's path. */
function problemWithName(page, name) {
  const isPath = /^\.?[\w-]+(\/[\w.@-]+)+\/?$/.test(name) && /\/$|\.\w+$/.test(name)
  const isModule = /^\w+\.m?js$/.test(name)
  const isSource = /^[\w/]+\.(rs|c|sql)$/.test(name)
  // TypeScript in src/ is the app's own.
  if (!(isPath || isModule || isSource) || /^src\/.*\.tsx?$/.test(name)) return undefined
  const places = ['', path.dirname(page)]
  const isThere =
    places.some((place) => fs.existsSync(path.join(ROOT, place, name))) ||
    (isSource && SOURCES.some((source) => source.endsWith(`/${name}`)))
  return isThere ? undefined : `there is no ${name}`
}

/** For "`file.rs`, `function`": whether the file has the function. */
function problemWithFunction(page, name, functionName) {
  const last = functionName.split('::').at(-1)
  const files = SOURCES.filter((source) => source.endsWith(`/${name}`)).concat(
    fs.existsSync(path.join(ROOT, name)) ? name : [],
  )
  const has = (file) =>
    new RegExp(`\\b(fn|function|const) ${last}\\b`).test(fs.readFileSync(path.join(ROOT, file), 'utf8'))
  return files.some(has) ? undefined : `${name} has no ${functionName}`
}

/** The patterns of names, and the check of each. */
const NAMES = [
  [/\]\(([^)\s]+)\)/g, problemWithLink],
  [/\b(?:src|href)="([^"]+)"/g, problemWithLink],
  [/`([^`\n]+)`/g, problemWithName],
  [/`([\w/.-]+\.(?:rs|js))`,\s+`([\w:]+)`/g, problemWithFunction],
  [/`((?:npm run|npx|node|bash) [^`\n]+)`/g, (page, command) => problemWith(command, page)],
]

/** Each named thing that does not exist, with its line. */
function missingIn(page, content = fs.readFileSync(path.join(ROOT, page), 'utf8')) {
  const prose = proseOf(content)
  return NAMES.flatMap(([pattern, problemOf]) =>
    Array.from(prose.matchAll(pattern), ({ index, 1: name, 2: more }) => {
      const problem = problemOf(page, name, more)
      return problem && `${page}:${prose.slice(0, index).split('\n').length}: ${problem}`
    }).filter(Boolean),
  )
}

module.exports = { missingIn }
