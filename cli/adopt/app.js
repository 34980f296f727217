'use strict'

/** The app that `adopt` changes: its files, its package manager and its git tree. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { parserFor } = require('./parser')
const { AdoptError } = require('./refusal')
const { Source } = require('./source')

const CODE = /\.(?:[cm]?[jt]s|[jt]sx)$/
/** Tests charge no real users. */
const TEST = /\.(?:test|spec)\.[cm]?[jt]sx?$|(?:^|\/)__(?:tests|mocks)__\//
/** Folders with generated files. Folders with a leading dot are skipped as well. */
const WRITTEN = ['dist', 'build', 'out', 'coverage', 'public']
/** Files of hand-written code are smaller. */
const LARGEST_BYTES = 1_000_000

class App {
  #sources = new Map()
  #files

  constructor(root) {
    this.root = root
    this.manifest = readManifest(root)
    this.ts = parserFor(root)
  }

  /** The app's source files, with `/` as the separator on every system. */
  get files() {
    this.#files ??= [...walk(this.root, '')].sort()
    return this.#files
  }

  has(file) {
    return fs.existsSync(path.join(this.root, file))
  }

  /** A file of the app. Each step gets the same object. */
  source(file) {
    if (!this.#sources.has(file)) {
      const bytes = this.has(file) ? fs.readFileSync(path.join(this.root, file)) : undefined
      const source = new Source(this.ts, file, bytes?.toString('utf8'))
      // A file that is not UTF-8 would be changed by reading and writing it.
      source.isWhole = !bytes || Buffer.from(source.text).equals(bytes)
      this.#sources.set(file, source)
    }
    return this.#sources.get(file)
  }

  /** Source files that contain one of these words. Others need no parsing. */
  sourcesWith(words) {
    return this.files.map((file) => this.source(file)).filter(({ text }) => words.test(text))
  }

  get changed() {
    const changed = [...this.#sources.values()].filter(({ isChanged }) => isChanged)
    return changed.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** Rejects files that can't be written back unchanged. */
  requireWritable() {
    const odd = this.changed.find(({ isWhole }) => !isWhole)
    if (odd) throw new AdoptError(`${odd.path}:1: the file is not UTF-8: convert it first`)
  }

  /** Writes all changed files, or, if one can't be written, none. */
  write() {
    this.requireWritable()
    const moved = this.changed.find((source) => !this.#isAsRead(source))
    if (moved) {
      throw new AdoptError(
        `${moved.path} was changed by another program. Nothing was written: run adopt again`,
      )
    }
    const written = []
    try {
      for (const source of this.changed) {
        written.push(source)
        fs.writeFileSync(path.join(this.root, source.path), source.rewritten())
      }
    } catch (error) {
      const lost = written.flatMap((source) => this.#restore(source) ?? [])
      if (lost.length === 0) throw new AdoptError(`${error.message}. Nothing was changed`)
      throw new AdoptError(
        `${error.message}. These files could not be restored, git has their content: ${lost.join(', ')}`,
      )
    }
  }

  #isAsRead({ path: file, text, isNew }) {
    if (!this.has(file)) return isNew
    return !isNew && fs.readFileSync(path.join(this.root, file)).equals(Buffer.from(text))
  }

  /** Restores a file. Returns its name if that fails. */
  #restore(source) {
    const file = path.join(this.root, source.path)
    try {
      if (source.isNew) fs.rmSync(file, { force: true })
      else if (!this.#isAsRead(source)) fs.writeFileSync(file, source.text)
      return undefined
    } catch (error) {
      return `${source.path} (${error.message})`
    }
  }

  /**
   * The version of an installed package, which may be in a parent folder of a workspace; `undefined` if it is
   * not found.
   */
  installed(name) {
    try {
      const manifest = createRequire(path.join(this.root, 'package.json')).resolve(`${name}/package.json`)
      return JSON.parse(fs.readFileSync(manifest, 'utf8')).version
    } catch {
      return undefined
    }
  }
}

function readManifest(root) {
  const file = path.join(root, 'package.json')
  if (!fs.existsSync(file))
    throw new AdoptError('there is no package.json here: run it in the folder of the app')
  try {
    // As npm reads it: without the byte order mark of an editor on Windows.
    return JSON.parse(fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new AdoptError(`package.json can't be read: ${error.message}`)
  }
}

function* walk(root, folder) {
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    if (folder === '' && WRITTEN.includes(entry.name)) continue
    const file = folder ? `${folder}/${entry.name}` : entry.name
    if (entry.isDirectory()) yield* walk(root, file)
    else if (entry.isFile() && CODE.test(entry.name) && !entry.name.endsWith('.d.ts') && !TEST.test(file)) {
      if (fs.statSync(path.join(root, file)).size <= LARGEST_BYTES) yield file
    }
  }
}

/** Why git could not show or undo changes of these files; `undefined` if it can. */
function whyNotSafe(root, files = []) {
  const status = git(root, 'status', '--porcelain', '--', '.')
  if (status.error?.code === 'ENOENT') return 'git is not installed'
  if (status.error) return `git can't run: ${status.error.message}`
  if (/dubious ownership/.test(status.stderr)) {
    return 'the git repository belongs to another user (git: dubious ownership; git config --global --add safe.directory)'
  }
  if (/not a git repository/.test(status.stderr)) return 'the app is not in a git repository'
  if (status.status !== 0) return `git status failed: ${status.stderr.trim()}`
  if (status.stdout.trim()) return 'there are uncommitted changes'
  const untracked = files.find(
    (file) => git(root, 'ls-files', '--error-unmatch', '--', `:(literal)${file}`).status !== 0,
  )
  return untracked && `git has no copy of ${untracked}`
}

/** With English messages, so that they can be recognized. */
const git = (root, ...words) =>
  spawnSync('git', words, { cwd: root, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })

module.exports = { App, whyNotSafe }
