'use strict'

/** Type-checks all TypeScript of the docs, like an app with `strict`. */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { compile } = require('../../scripts/types')
const { ROOT } = require('./blocks')

const OPTIONS = {
  target: 'es2022',
  // Like a Next.js app, with Node's types.
  lib: ['es2022', 'dom'],
  types: ['node'],
  typeRoots: [path.join(ROOT, 'node_modules/@types')],
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
}

/** `…/a_md_1.mts(3,1): error TS2345: Argument …`. Continued lines begin with a blank. */
const COMPLAINT = /^(?:.*\/)?(\w+)\.mts\((\d+),\d+\): error TS\d+: (.*(?:\n .*)*)/gm

/** Declares each function of the package without an import. */
function functionsOf(exported) {
  const constants = exported.map((name) => `  const ${name}: typeof import('media-credits').${name}`)
  return `export {}\ndeclare global {\n${constants.join('\n')}\n}\n`
}

/** Resolves to the errors of a compiler in each of `modules` (`{ name: source }`): line and message. */
async function typeErrors(compiler, modules, exported) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-types-'))
  try {
    const write = (name, text) => fs.writeFileSync(path.join(folder, name), text)
    // An app, which finds the package by its name, through "exports" in package.json.
    fs.mkdirSync(path.join(folder, 'node_modules'))
    fs.symlinkSync(ROOT, path.join(folder, 'node_modules/media-credits'), 'junction')
    for (const name of fs.readdirSync(__dirname).filter((name) => name.endsWith('.d.ts'))) {
      fs.copyFileSync(path.join(__dirname, name), path.join(folder, name))
    }
    write('functions.d.ts', functionsOf(exported))
    write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS }))
    const fileOf = (name) => name.replace(/\W/g, '_')
    for (const [name, source] of Object.entries(modules)) write(`${fileOf(name)}.mts`, source)
    const { said } = await compile(compiler, folder)
    const complaints = Array.from(said.matchAll(COMPLAINT), ([, file, line, message]) => [
      file,
      [Number(line), message],
    ])
    // Other errors are bugs of these tests.
    const rest = said.replace(COMPLAINT, '').trim()
    if (rest) throw new Error(rest)
    const errorsIn = (name) =>
      complaints.filter(([file]) => file === fileOf(name)).map(([, complaint]) => complaint)
    return Object.fromEntries(Object.keys(modules).map((name) => [name, errorsIn(name)]))
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

module.exports = { typeErrors }
