'use strict'

/**
 * Each fenced block of the documentation is run, and its claims are checked. `./blocks.js` defines how a page
 * declares what a block needs, `./run.js` how a block makes a claim. A new page in docs/ is included.
 */

const fs = require('node:fs')
const path = require('node:path')
const { withApp } = require('./app')
const { ROOT, blocksOf, pages } = require('./blocks')
const { languages, sourceOf } = require('./languages')
const { missingIn } = require('./names')
const { COMPILERS } = require('../../scripts/types')
const { typeErrors } = require('./types')
const { STORAGE, sqlite } = require('../helpers/storage')

/** The number of blocks of a page that are not run, each with its reason beside it, so that an added one is noticed. */
const SHOWN_ONLY = {
  'README.md': 1,
  'docs/cli.md': 10,
  'docs/deploying.md': 2,
  'docs/migrating.md': 1,
  'docs/start.md': 3,
  'docs/transactions.md': 2,
}

const STORAGES = ['sqlite', 'postgres', 'mysql']

const blocks = pages.flatMap((page) => blocksOf(page))
const isShown = ({ shownOnly }) => shownOnly !== undefined
/** A block for one storage names it after its language: `sql postgres`. On MySQL no others run. */
const isHere = ({ about }) => (about.length === 0 && STORAGE !== 'mysql') || about.includes(STORAGE)

describe('a block', () => {
  test.each(blocks.filter((block) => !isShown(block) && isHere(block)))(
    'makes only true claims: $name',
    (block) => {
      expect(Object.keys(languages)).toContain(block.language)
      return withApp((app) => languages[block.language](block, app))
    },
  )

  test('is for one storage or for all', () => {
    expect(blocks.filter(({ about }) => about.some((word) => !STORAGES.includes(word)))).toEqual([])
  })

  test('is left out only if it is listed here, with a reason', () => {
    const count = {}
    for (const { page, shownOnly } of blocks.filter(isShown)) {
      expect(shownOnly).toMatch(/\w+ \w+/)
      count[page] = (count[page] ?? 0) + 1
    }
    expect(count).toEqual(SHOWN_ONLY)
  })
})

// The following tests are the same on each storage.

/** A block of TypeScript, with lines before it. */
const fenced = (...lines) => ['', ...lines.slice(0, -1), '```ts', lines.at(-1), '```'].join('\n')

sqlite.describe.each(COMPILERS)('with %s', (compiler) => {
  const MISFIT = fenced('<!-- first: const credits = 1 -->', 'await createMediaTask(task, `${credits}`)')
  const written = blocks.filter(
    (block) => block.language !== 'js' && !isShown(block) && sourceOf(block).trim() !== '',
  )
  let errors
  beforeAll(async () => {
    const all = [...written, { ...blocksOf('misfit.md', MISFIT)[0], name: 'misfit' }]
    const modules = Object.fromEntries(all.map((block) => [block.name, sourceOf(block)]))
    errors = await typeErrors(compiler, modules, Object.keys(require('../..')))
  })

  test.each(written)('the block $name compiles', ({ name, page }) => {
    expect(errors[name].map(([line, message]) => `${page}:${line}: ${message}`)).toEqual([])
  })

  test('a type that does not fit is reported on its line', () => {
    expect(errors.misfit).toEqual([
      [4, expect.stringContaining("'string' is not assignable to parameter of type 'number'")],
    ])
  })
})

sqlite.describe('a page', () => {
  test.each(pages)('names only things that exist: %s', (page) => {
    expect(missingIn(page)).toEqual([])
  })

  test('of docs/ is in the index, to which the README links', () => {
    const index = fs.readFileSync(path.join(ROOT, 'docs/README.md'), 'utf8')
    const linked = Array.from(index.matchAll(/\]\(([\w/-]+\.md)\)/g), ([, name]) => `docs/${name}`)
    expect(linked).toEqual(expect.arrayContaining(pages.filter((page) => /^docs\/(?!README)/.test(page))))
    expect(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')).toContain('](docs/README.md)')
  })
})

sqlite.test('docs/configuration.md lists each option of connect', () => {
  const [, options] = /interface ConnectOptions \{([\s\S]*?)\n\}/.exec(
    fs.readFileSync(path.join(ROOT, 'types/connection.d.ts'), 'utf8'),
  )
  const names = Array.from(options.matchAll(/^  (\w+)\?:/gm), ([, name]) => `| \`${name}\` |`)
  const page = fs.readFileSync(path.join(ROOT, 'docs/configuration.md'), 'utf8')
  expect(names).toContain('| `url` |')
  expect(names.filter((name) => !page.includes(name))).toEqual([])
})

sqlite.describe('the tests of the docs detect', () => {
  const run = (content) => {
    const [block] = blocksOf('a.md', content)
    return withApp((app) => languages[block.language](block, app))
  }

  test.each([
    ['a false claim', 'await getRemainingCredits(userId) // → 99', 'a.md:3: '],
    ['a false claim about an object', 'const row = { a: 1, b: 2 } // → { a: 2 }', 'a.md:3: '],
    [
      'a claimed refusal that does not come',
      'await getRemainingCredits(userId) // rejects with INVALID_ID',
      'a.md:3: ',
    ],
    ['another refusal', "await getRemainingCredits('') // rejects with CLOSED", 'a.md:3: '],
    ['a claim without a statement', '// → 90', 'a.md:3: a claim that stands behind no statement'],
    ['an error', 'await createMediaTask(task, -1)', 'a.md:3: '],
  ])('%s', async (_, line, message) => {
    await expect(run(fenced(line))).rejects.toThrow(message)
  })

  test.each([
    ['a mistyped mark', '<!-- frist: await close() -->', 'a.md:2: a comment that is none of'],
    ['a mark that belongs to no block', '<!-- then: await close() -->', 'a.md:2: "then" belongs to no block'],
  ])('%s', (_, comment, message) => {
    expect(() => blocksOf('a.md', fenced(comment, ''))).toThrow(message)
  })

  test.each([
    ['a link', '[a](no.md)', 'leads nowhere: no.md'],
    ['a heading', '[a](docs/errors.md#no)', 'there is no heading #no'],
    ['a path', '`src/no.rs`', 'there is no src/no.rs'],
    ['a function', '`src/lib.rs`, `no`', 'src/lib.rs has no no'],
    ['a script', '`npm run no`', 'package.json has no script "no"'],
    ['an option', '`npm run torture -- --no`', 'there is no option --no'],
    ['a command', '`npx media-credits nosuch`', 'its help does not name "nosuch"'],
  ])('%s that does not exist', (_, text, problem) => {
    expect(missingIn('README.md', `\n${text}\n`)).toEqual([`README.md:2: ${problem}`])
  })
})
