'use strict'

/**
 * Why this platform's package is not installed, and how to install it, judging by the surrounding folders.
 */

const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../package.json')
const { platforms } = require('./platforms.js')

/**
 * Files that identify a package manager. Those in node_modules come first, because they show what made this
 * installation.
 */
const TRACES = [
  ['node_modules/.package-lock.json', 'npm'],
  ['node_modules/.modules.yaml', 'pnpm'],
  ['node_modules/.yarn-state.yml', 'yarn'],
  ['node_modules/.yarn-integrity', 'yarn'],
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
]

/**
 * For each package manager: the option that leaves out optional packages, the command that reinstalls, and
 * the file that selects platforms.
 */
const MANAGERS = {
  npm: { omit: '--omit=optional', install: 'npm install --include=optional' },
  pnpm: {
    omit: '--no-optional',
    install: 'pnpm install',
    choices: ['pnpm-workspace.yaml', 'package.json'],
  },
  yarn: { omit: '--ignore-optional', install: 'yarn install', choices: ['.yarnrc.yml'] },
  bun: { omit: '--omit=optional', install: 'bun install' },
}

/** The likely cause, followed by a semicolon and the remedy. */
function whyNotInstalled(name) {
  const folders = ancestors(__dirname)
  const { manager, folder } = installer(folders)
  const { omit = '--omit=optional', install, choices = [] } = MANAGERS[manager] ?? {}
  const wanted = `@media-credits/${name}`
  const anew = install
    ? `delete node_modules and run \`${install}\` on this system`
    : 'reinstall the packages on this system'

  const choice = choices.find((file) => read(folder, file).includes('supportedArchitectures'))
  if (choice) {
    const { os, cpu, libc } = platforms[name]
    const fitting = `os ${os}, cpu ${cpu}${libc ? ` and libc ${libc}` : ''}`
    return (
      `${wanted} is not installed, because supportedArchitectures in ${choice} does not include it; ` +
      `add ${fitting}, and run \`${install}\``
    )
  }
  const lock = manager === 'npm' && lockThatLacks(wanted, folder)
  if (lock) {
    return (
      `${lock} does not list ${wanted}, for example because another system wrote it; run \`npm install media-credits@${version}\` ` +
      `in the folder whose package.json names it, and commit ${lock}`
    )
  }
  const there = Object.keys(platforms).filter((platform) =>
    folders.some((parent) => fs.existsSync(path.join(parent, 'node_modules/@media-credits', platform))),
  )
  if (there.includes(name)) return `${wanted} is installed without its file; ${anew}`
  if (there.length) {
    return (
      `node_modules has the binary for ${there.join(', ')}: it was copied from another system ` +
      `(add it to .dockerignore) or installed for one; ${anew}`
    )
  }
  return `${wanted} is not installed, for example because of ${omit}, an install on another system or a registry that lacks it; ${anew}`
}

/** A folder and its parents, innermost first. */
function ancestors(folder) {
  const parent = path.dirname(folder)
  return parent === folder ? [folder] : [folder, ...ancestors(parent)]
}

/** The package manager that the nearest folder shows, and that folder. */
function installer(folders) {
  for (const folder of folders) {
    const [, manager] = TRACES.find(([file]) => fs.existsSync(path.join(folder, file))) ?? []
    if (manager) return { manager, folder }
  }
  return {}
}

/**
 * npm's lock file, if it lists this package without the platform's package: npm before 11 may list only those
 * that are installed when it writes the file (https://github.com/npm/cli/issues/4828).
 */
function lockThatLacks(wanted, folder) {
  const lists = (file, name) => new RegExp(`["/]${name}": \\{`).test(read(folder, file))
  return ['npm-shrinkwrap.json', 'package-lock.json'].find(
    (file) => lists(file, 'media-credits') && !lists(file, wanted),
  )
}

function read(folder, file) {
  try {
    return fs.readFileSync(path.join(folder, file), 'utf8')
  } catch {
    return ''
  }
}

module.exports = { whyNotInstalled }
