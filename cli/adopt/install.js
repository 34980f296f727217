'use strict'

/** The app's own package manager puts the package into node_modules. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../package.json')
const { NAME } = require('./dependency')

/** By lock file. In CI, pnpm and yarn leave a lock file alone unless they are told otherwise. */
const MANAGERS = [
  ['pnpm-lock.yaml', 'pnpm', ['install', '--no-frozen-lockfile']],
  ['yarn.lock', 'yarn', ['install']],
  ['bun.lock', 'bun', ['install']],
  ['bun.lockb', 'bun', ['install']],
  ['package-lock.json', 'npm', ['install']],
]
const [, ...NPM] = MANAGERS.at(-1)

/** The command that installs: of the nearest lock file, which a workspace has further up. */
function installCommand(root) {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const found = MANAGERS.find(([lock]) => fs.existsSync(path.join(folder, lock)))
    if (found) return found.slice(1)
    if (folder === path.dirname(folder) || fs.existsSync(path.join(folder, '.git'))) return NPM
  }
}

/** The command as it is typed. */
const installWords = (root) => {
  const [manager, words] = installCommand(root)
  return [manager, ...words].join(' ')
}

/** Whether package.json's version, or a later one, is in node_modules, and not for development alone. */
function isInstalled(app) {
  const { dependencies, devDependencies } = app.manifest
  const found = app.installed(NAME)
  if (!found || (!dependencies?.[NAME] && devDependencies?.[NAME])) return false
  const [wanted, there] = [dependencies?.[NAME] ?? `^${version}`, found].map(numbersOf)
  return !wanted || !there || !isOlder(there, wanted)
}

/** The numbers of a version, or of a range from one on; of a tarball or a tag there are none. */
const numbersOf = (text) => /^[\^~]?(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number)

function isOlder(one, other) {
  const at = one.findIndex((number, place) => number !== other[place])
  return at >= 0 && one[at] < other[at]
}

/** Runs it, unless the package is there already; what it says goes to `output`. Returns what went wrong, if anything did. */
function install(app, output) {
  if (isInstalled(app)) return undefined
  const [manager, words] = installCommand(app.root)
  const { status, error } = spawnSync(manager, words, {
    cwd: app.root,
    stdio: ['ignore', output, 'inherit'],
    shell: process.platform === 'win32',
  })
  if (!error && status === 0 && app.installed(NAME)) return undefined
  return `${installWords(app.root)} did not install ${NAME}${error ? `: ${error.message}` : ''}`
}

module.exports = { install, installCommand, installWords, isInstalled }
