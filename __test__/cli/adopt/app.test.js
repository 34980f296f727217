'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { whyNotSafe } = require('../../../cli/adopt/app')
const { appOf, commit, folderOf, git, textsOf } = require('./apps')

const FILES = { 'a.ts': 'a\n', 'b.ts': 'b\n', 'c.ts': 'c\n' }

/** An app in which each file gets one more line. */
function changedApp(files = FILES) {
  const app = appOf(files)
  for (const name of Object.keys(files)) app.source(name).insert(0, '// more\n')
  return app
}

describe('git', () => {
  const committed = (files) => {
    const root = folderOf(files)
    commit(root)
    return root
  }

  test('has a copy of tracked files', () => {
    expect(whyNotSafe(committed(FILES), ['a.ts', 'b.ts'])).toBeUndefined()
  })

  test('has no copy of files in an ignored folder', () => {
    const root = committed({ ...FILES, '.gitignore': 'models\n', 'models/credit.ts': 'x\n' })
    expect(whyNotSafe(root, ['a.ts', 'models/credit.ts'])).toBe('git has no copy of models/credit.ts')
  })

  test('has no copy of a file that its status does not show', () => {
    const root = committed(FILES)
    git(root, 'config', 'status.showUntrackedFiles', 'no')
    fs.writeFileSync(path.join(root, 'new.ts'), 'x\n')
    expect(whyNotSafe(root, ['new.ts'])).toBe('git has no copy of new.ts')
  })

  test.each([
    ['is not installed', undefined, 'git is not installed'],
    [
      'does not trust the folder',
      'fatal: detected dubious ownership in repository',
      'belongs to another user',
    ],
    ['finds no repository', 'fatal: not a git repository', 'the app is not in a git repository'],
    ['fails', 'fatal: index file corrupt', 'git status failed: fatal: index file corrupt'],
  ])('%s', (_, says, why) => {
    const root = folderOf(FILES)
    const bin = path.join(root, 'bin')
    fs.mkdirSync(bin)
    if (says)
      fs.writeFileSync(path.join(bin, 'git'), `#!/bin/sh\necho "${says}" >&2\nexit 128\n`, { mode: 0o755 })
    const { PATH } = process.env
    process.env.PATH = bin
    try {
      expect(whyNotSafe(root)).toContain(why)
    } finally {
      process.env.PATH = PATH
    }
  })
})

describe('writing', () => {
  test('changes each file', () => {
    const app = changedApp()
    app.write()
    expect(textsOf(app.root)).toMatchObject({ 'a.ts': '// more\na\n', 'c.ts': '// more\nc\n' })
  })

  test.each([
    ['was saved', (file) => fs.writeFileSync(file, 'mine\n')],
    ['was deleted', (file) => fs.rmSync(file)],
  ])('refuses where a file %s after it was read, and changes nothing', (_, change) => {
    const app = changedApp()
    change(path.join(app.root, 'b.ts'))
    const before = textsOf(app.root)
    expect(() => app.write()).toThrow('b.ts was changed by another program. Nothing was written')
    expect(textsOf(app.root)).toEqual(before)
  })

  test('refuses a file that is not UTF-8', () => {
    const app = appOf({ ...FILES, 'latin.ts': Buffer.from('// caf\xe9\n', 'latin1') })
    for (const name of ['a.ts', 'latin.ts']) app.source(name).insert(0, '// more\n')
    const before = textsOf(app.root)
    expect(() => app.write()).toThrow('latin.ts:1: the file is not UTF-8')
    expect(textsOf(app.root)).toEqual(before)
  })

  test('restores all files that it can, and names the others', () => {
    const app = changedApp()
    const write = fs.writeFileSync
    const count = {}
    jest.spyOn(fs, 'writeFileSync').mockImplementation((file, text) => {
      const name = path.basename(file)
      count[name] = (count[name] ?? 0) + 1
      if (name === 'c.ts') throw new Error('no space')
      if (name === 'b.ts' && count[name] === 2) throw new Error('read-only')
      return write(file, text)
    })
    try {
      expect(() => app.write()).toThrow(
        'no space. These files could not be restored, git has their content: b.ts (read-only)',
      )
    } finally {
      jest.restoreAllMocks()
    }
    expect(textsOf(app.root)).toMatchObject({ 'a.ts': 'a\n', 'b.ts': '// more\nb\n', 'c.ts': 'c\n' })
  })
})
