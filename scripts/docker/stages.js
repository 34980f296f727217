'use strict'

/**
 * Builds the stages of a Dockerfile without Docker: each in a folder that is its root, by `chroot` in its own
 * namespaces. It supports what the example's Dockerfile uses, and rejects everything else.
 */

const { execFileSync, spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** The environment of a base image. */
const ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' }

/**
 * The stages by name. Each starts as a copy of another one, or of the folder `base`, whichever image is named.
 * `env` applies only to the build.
 */
function build(dockerfile, { base, context, into, env }) {
  const stages = {}
  let stage
  for (const [word, rest] of instructions(fs.readFileSync(dockerfile, 'utf8'))) {
    if (word === 'FROM') {
      const [from, , name] = rest.split(' ')
      stage = begin(path.join(into, name), stages[from] ?? { root: base, folder: '/', env: ENV })
      stages[name] = stage
    } else {
      if (!Object.hasOwn(carryOut, word)) throw new Error(`${dockerfile}: ${word} is not known here`)
      carryOut[word](stage, rest, { stages, context, env })
    }
  }
  return stages
}

function begin(root, { root: from, folder, env }) {
  copy(from, root)
  return { root, folder, user: 'root', env: { ...env }, command: [] }
}

const carryOut = {
  /** The only one names the image, which is `base` here. */
  ARG() {},

  WORKDIR(stage, folder) {
    stage.folder = path.posix.resolve(stage.folder, folder)
    fs.mkdirSync(path.join(stage.root, stage.folder), { recursive: true })
  },

  ENV(stage, rest) {
    if (!/^\w+=\S*( \w+=\S*)*$/.test(rest)) throw new Error(`ENV ${rest}: only NAME=value is known here`)
    for (const [, name, value] of rest.matchAll(/(\w+)=(\S*)/g)) stage.env[name] = value
  },

  USER(stage, user) {
    stage.user = user
  },

  COPY(stage, rest, { stages, context }) {
    const words = rest.split(' ')
    const { from, chown, ...unknown } = Object.fromEntries(
      words.filter((word) => word.startsWith('--')).map((flag) => flag.slice(2).split('=')),
    )
    if (Object.keys(unknown).length) throw new Error(`COPY ${rest}: only --from and --chown are known here`)
    const paths = words.filter((word) => !word.startsWith('--'))
    const into = path.join(stage.root, path.posix.resolve(stage.folder, paths.pop()))
    for (const name of paths) {
      const copied = path.join(from ? stages[from].root : context, name)
      // A folder is copied without its name, a file with it.
      const target = fs.statSync(copied).isDirectory() ? into : path.join(into, path.basename(name))
      copy(copied, target)
      if (chown)
        execFileSync('chroot', [stage.root, 'chown', '-R', chown, `/${path.relative(stage.root, target)}`])
    }
  },

  RUN(stage, command, { env }) {
    const [program, args] = inside(stage, ['sh', '-c', command], env)
    const { status, signal } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) throw new Error(`RUN ${command}: ended with ${signal ?? status}`)
  },

  CMD(stage, rest) {
    stage.command = JSON.parse(rest)
  },

  /** Only for Docker. */
  EXPOSE() {},
}

/** Runs a stage's own command, or another one, with a folder of this machine as the volume at `target`. */
function run(stage, { command = stage.command, user = stage.user, env, volume, ...options }) {
  const target = path.join(stage.root, volume.target)
  // As in Docker: a new volume starts with the image's files at that path, including their owner.
  if (!fs.existsSync(volume.source)) copy(target, volume.source)
  const [program, args] = inside({ ...stage, user }, command, env)
  const mounted = ['--mount', 'sh', '-c', 'mount --bind "$0" "$1" && shift && exec "$@"']
  return spawn('unshare', [...mounted, volume.source, target, program, ...args], options)
}

/** The call that runs a command in a stage, as its user. */
function inside(stage, command, env) {
  const [, , uid, gid, , home] = passwd(stage)
  const own = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc=/proc']
  const as = [`--root=${stage.root}`, `--wd=${stage.folder}`, `--setuid=${uid}`, `--setgid=${gid}`]
  const variables = Object.entries({ ...stage.env, HOME: home, ...env })
  const set = variables.map(([name, value]) => `${name}=${value}`)
  return ['unshare', [...own, ...as, '/usr/bin/env', '-i', ...set, ...command]]
}

function passwd({ root, user }) {
  const lines = fs.readFileSync(path.join(root, 'etc/passwd'), 'utf8').split('\n')
  const line = lines.find((line) => line.startsWith(`${user}:`))
  if (!line) throw new Error(`the base has no user ${user}`)
  return line.split(':')
}

/** Instructions and the rest of their lines, without comments. A backslash continues on the next line. */
function* instructions(text) {
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
  for (const line of lines.map((line) => line.trim()).filter(Boolean)) {
    const [word] = line.split(' ', 1)
    yield [word, line.slice(word.length).trim()]
  }
}

function copy(from, into) {
  fs.mkdirSync(path.dirname(into), { recursive: true })
  // `-T`: into this folder itself. Owners, devices and links are kept.
  execFileSync('cp', ['-aT', from, into])
}

module.exports = { build, run }
