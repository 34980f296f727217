'use strict'

/** Small apps in which the package is adopted, each in its own folder, and helpers of the tests. */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const ts = require('typescript')
const { App } = require('../../../cli/adopt/app')
const { memoryFolder } = require('../../../scripts/memory-folder')
const { STOCK, TRANSLATE } = require('./stock')

const ROOT = path.join(__dirname, '../../..')

const folder = fs.mkdtempSync(path.join(memoryFolder(), 'media-credits-adopt-'))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))
let count = 0

/** A folder with these files: `{ 'package.json': '…' }`. Missing parts of an app are added. */
function folderOf(files) {
  const root = path.join(folder, `app-${++count}`)
  const all = { 'package.json': JSON.stringify(manifest, undefined, 2), ...files }
  for (const [name, text] of Object.entries(all)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    fs.writeFileSync(path.join(root, name), text)
  }
  return root
}

const manifest = { name: 'app', private: true, dependencies: { 'drizzle-orm': '^0.45.4', next: '16.1.0' } }

const appOf = (files) => new App(folderOf(files))

/** Links packages of this repository into the app; `[name, from]` is a package under another name. */
function link(root, names) {
  for (const [name, from = name] of names.map((each) => [each].flat())) {
    const place = path.join(root, 'node_modules', name)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    fs.symlinkSync(name === 'media-credits' ? ROOT : path.join(ROOT, 'node_modules', from), place, 'junction')
  }
}

const git = (root, ...words) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.test', ...words], {
    cwd: root,
    encoding: 'utf8',
  })

/** Commits all files. */
function commit(root) {
  git(root, 'init', '--quiet')
  git(root, 'add', '--all')
  git(root, 'commit', '--quiet', '--message', 'the app')
}

/** Folders of packages and of git. A package is a link to a folder of tens of thousands of files. */
const NOT_OURS = ['node_modules', '.git']

/** The files of a folder and of those in it, by their paths from `root`. */
function filesIn(root, folder = '') {
  const all = fs.readdirSync(path.join(root, folder), { withFileTypes: true })
  return all.flatMap((entry) => {
    const name = path.posix.join(folder, entry.name)
    if (entry.isDirectory()) return NOT_OURS.includes(name) ? [] : filesIn(root, name)
    return entry.isFile() ? [name] : []
  })
}

/** The text of each file, except packages and git's files. */
const textsOf = (root) =>
  Object.fromEntries(
    filesIn(root)
      .sort()
      .map((name) => [name, fs.readFileSync(path.join(root, name), 'utf8')]),
  )

/** Files of packages are read once for all apps. */
const parsed = new Map()

/** The errors of TypeScript in an app, found in this process: its own `tsc` takes ten times as long. */
function typeErrors(root) {
  const config = ts.getParsedCommandLineOfConfigFile(
    path.join(root, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '))
      },
    },
  )
  const host = ts.createCompilerHost(config.options)
  const read = host.getSourceFile
  host.getSourceFile = (file, ...how) => {
    if (file.startsWith(root) && !file.includes('node_modules')) return read(file, ...how)
    if (!parsed.has(file)) parsed.set(file, read(file, ...how))
    return parsed.get(file)
  }
  const program = ts.createProgram(config.fileNames, config.options, host)
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
}

/** Compiles the app's sources into `dist`, for Node. */
function compile(root) {
  for (const name of Object.keys(textsOf(root)).filter((file) => /^src\/.*\.ts$/.test(file))) {
    const { outputText } = ts.transpileModule(fs.readFileSync(path.join(root, name), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    })
    const file = path.join(root, 'dist', name.replace(/\.ts$/, '.js'))
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, outputText)
  }
}

/** Text with imports by an alias of `src/`. */
const aliased = (text) =>
  text
    .replace(/'\.\.\/\.\.\/(core|config|shared)\//g, "'@/$1/")
    .replace(/'\.\/(credit|user)'/g, "'@/shared/models/$1'")

/** The app with imports by an alias, and with callers that import from one file. */
function withBarrel() {
  const config = JSON.parse(STOCK['tsconfig.json'])
  config.compilerOptions.paths = { '@/*': ['./src/*'] }
  return {
    ...Object.fromEntries(Object.entries(STOCK).map(([name, text]) => [name, aliased(text)])),
    'tsconfig.json': JSON.stringify(config),
    'src/shared/models/index.ts': ['credit', 'ai_task', 'media_task']
      .map((name) => `export * from './${name}';\n`)
      .join(''),
    'src/app/translate/route.ts': aliased(TRANSLATE).replace(/models\/\w+'/g, "models'"),
  }
}

/** Text in the form of another author. */
const forms = {
  'a byte order mark': (text) => `\uFEFF${text}`,
  CRLF: (text) => text.replaceAll('\n', '\r\n'),
  tabs: (text) => text.replace(/^(?: {2})+/gm, (spaces) => '\t'.repeat(spaces.length / 2)),
  'no semicolons': (text) => text.replace(/;$/gm, ''),
  'double quotes': (text) => text.replaceAll("'", '"'),
}

module.exports = {
  appOf,
  commit,
  compile,
  folderOf,
  forms,
  git,
  link,
  manifest,
  textsOf,
  typeErrors,
  withBarrel,
}
