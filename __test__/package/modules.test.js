'use strict'

const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')

const ROOT = path.join(__dirname, '../..')

// What the linter looks at for circles is `import` alone.

const filesIn = (folder) =>
  fs
    .readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => path.join(folder, name))

/** What a module requires, also where it does so late, and each file of a folder of which it requires one by its name. */
function requiredBy(file) {
  const { resolve } = createRequire(file)
  const text = fs.readFileSync(file, 'utf8')
  const named = [...text.matchAll(/\brequire\('(\.[^']*)'\)/g)].map(([, request]) => request)
  const folders = [...text.matchAll(/\brequire\(`(\.[^`$]*)\/\$\{/g)].map(([, folder]) => folder)
  return [
    // The addon requires nothing.
    ...named.filter((request) => !request.endsWith('.node')).map((request) => resolve(request)),
    ...folders.flatMap((folder) => filesIn(path.join(path.dirname(file), folder))),
  ]
}

/** The modules that require themselves, each by way of those that it requires. */
function inCircles(required) {
  const reached = (file, seen) => {
    for (const next of required.get(file) ?? []) {
      if (!seen.has(next)) reached(next, seen.add(next))
    }
    return seen
  }
  const files = [...required.keys()].filter((file) => reached(file, new Set()).has(file))
  return files.map((file) => path.relative(ROOT, file))
}

test('no modules of lib and cli require each other', () => {
  const files = [...filesIn(path.join(ROOT, 'lib')), ...filesIn(path.join(ROOT, 'cli'))]
  const required = new Map(files.map((file) => [file, requiredBy(file)]))
  expect(required.get(path.join(ROOT, 'lib/index.js'))).toContain(path.join(ROOT, 'lib/connection.js'))
  expect(required.get(path.join(ROOT, 'cli/main.js'))).toContain(path.join(ROOT, 'cli/commands/audit.js'))
  expect(inCircles(required)).toEqual([])
})
