'use strict'

const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')

const ROOT = path.join(__dirname, '../..')

// The linter checks only `import` for circles.

const filesIn = (folder) =>
  fs
    .readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => path.join(folder, name))

/** The modules that a module requires, also later at run time, and each file of a folder from which it requires one by a computed name. */
function requiredBy(file) {
  const { resolve } = createRequire(file)
  const text = fs.readFileSync(file, 'utf8')
  const named = [...text.matchAll(/\brequire\('(\.[^']*)'\)/g)].map(([, request]) => request)
  const folders = [...text.matchAll(/\brequire\(`(\.[^`$]*)\/\$\{/g)].map(([, folder]) => folder)
  return [
    // The addon requires no module.
    ...named.filter((request) => !request.endsWith('.node')).map((request) => resolve(request)),
    ...folders.flatMap((folder) => filesIn(path.join(path.dirname(file), folder))),
  ]
}

/** The modules that require themselves, directly or through others. */
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
