'use strict'

/** Installs the package with the app's own package manager. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../package.json')
const { NAME } = require('./dependency')

/** By lock file. In CI, pnpm and yarn change a lock file only if told to. */
const MANAGERS = [
  ['pnpm-lock.yaml', 'pnpm', ['install', '--no-frozen-lockfile']],
  ['yarn.lock', 'yarn', ['install']],
  ['bun.lock', 'bun', ['install']],
  ['bun.lockb', 'bun', ['install']],
  ['package-lock.json', 'npm', ['install']],
]
const [, ...NPM] = MANAGERS.at(-1)

/** The command that installs, for the nearest lock file, which may be in a parent folder of a workspace. */
function installCommand(root) {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const found = MANAGERS.find(([lock]) => fs.existsSync(path.join(folder, lock)))
    if (found) return found.slice(1)
    if (folder === path.dirname(folder) || fs.existsSync(path.join(folder, '.git'))) return NPM
  }
}

/** The command, as it is typed. */
const installWords = (root) => {
  const [manager, words] = installCommand(root)
  return [manager, ...words].join(' ')
}

/**
 * Whether the version in package.json, or a later one, is in node_modules and is not a development
 * dependency.
 */
function isInstalled(app) {
  const { dependencies, devDependencies } = app.manifest
  const found = app.installed(NAME)
  if (!found || (!dependencies?.[NAME] && devDependencies?.[NAME])) return false
  const [wanted, there] = [dependencies?.[NAME] ?? `^${version}`, found].map(numbersOf)
  return !wanted || !there || !isOlder(there, wanted)
}

/** The numbers of a version or of a minimum version; `undefined` for a tarball or a tag. */
const numbersOf = (text) => /^[\^~]?(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number)

function isOlder(one, other) {
  const at = one.findIndex((number, place) => number !== other[place])
  return at >= 0 && one[at] < other[at]
}

/**
 * Runs the command, unless the package is installed; its output goes to `output`. Returns what failed, if
 * anything.
 */
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
