'use strict'

/** SQLite for the tests: files in separate folders, which a second process reads. */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { memoryFolder } = require('../../scripts/memory-folder')
const { Inspected } = require('./inspect')

const FIXTURES = { fixture: 'shipany.sqlite', stock: 'stock.sqlite' }

/** A database file, which does not exist until it is made. */
class SqliteStore extends Inspected {
  provider = 'sqlite'

  /** The parent of the databases' folders. */
  static parent = memoryFolder()

  /** For tests of crashes and faults: files on a disk, like an app's. */
  static useDisk() {
    SqliteStore.parent = os.tmpdir()
  }

  /** A store with the app's `tables`, with an app's rows (`fixture`, `stock`), or with `nothing` in it. */
  static async open(content) {
    const store = new SqliteStore(fs.mkdtempSync(path.join(SqliteStore.parent, 'media-credits-')))
    const fixture = FIXTURES[content]
    if (fixture) fs.copyFileSync(path.join(__dirname, '../fixtures', fixture), store.file)
    // The package makes them, as `npx media-credits init` does.
    store.needsTables = content === 'tables'
    return store
  }

  constructor(folder) {
    super()
    this.folder = folder
    this.file = path.join(folder, 'local.db')
    this.url = `file:${this.file}`
    this.otherUrls = [this.file, `file://${this.file}`, `file:${folder}/./local.db`]
  }

  /** Runs statements `[sql, args]` in the other process, and returns the rows of the last one. */
  async query(statements) {
    const stored = (value) => (value instanceof Date ? value.getTime() : value)
    const all = await inspect(this.file, {
      statements: statements.map(([sql, args]) => [sql, args.map(stored)]),
    })
    return all.at(-1)
  }

  /** The rows of those of the tables that exist, by their `{ table: columns }`, while no other process writes. */
  snapshot(columns) {
    return inspect(this.file, { columns })
  }

  async remove() {
    try {
      fs.rmSync(this.folder, { recursive: true, force: true })
    } catch (error) {
      // On Windows a file stays as long as a process has it open: the app's client, until it is collected.
      if (process.platform !== 'win32') throw error
    }
  }
}

/** Requests `statements`, or the rows of tables by their `columns`, from the process of `environment.js`. */
async function inspect(file, question) {
  const { all, error } = await globalThis.askInspector({ file, ...question })
  if (error) throw new Error(error)
  return all
}

module.exports = { FIXTURES, Store: SqliteStore, end: async () => {} }
