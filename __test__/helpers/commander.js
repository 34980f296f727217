'use strict'

/**
 * A process that runs one command line of `media-credits` after the other. The parent sends `{ args, env, cwd }`, and gets
 * `{ code, out, errors }` when nothing is left to do for the command: when its own process would end.
 *
 * What the command line keeps is made anew for each: its modules, the environment, the folder and the output. Packages
 * and the addon stay.
 */

const { Console } = require('node:console')
const fs = require('node:fs')
const path = require('node:path')
const { Writable } = require('node:stream')

const MAIN = require.resolve('../../cli/main')
const BIN = require.resolve('../../cli/bin/media-credits')

/** What stays: the addon and what is installed, except a package that keeps the environment. */
const ROOT = path.join(__dirname, '../..')
const MODULES = fs.realpathSync(path.join(ROOT, 'node_modules'))
const KEPT = [path.join(ROOT, 'lib/'), path.join(ROOT, 'media-credits.'), path.join(MODULES, '/')]
const isKept = (name) => KEPT.some((part) => name.startsWith(part)) && !name.includes('@next')

function forgetModules() {
  for (const name of Object.keys(require.cache)) if (!isKept(name)) delete require.cache[name]
}

function setEnv(env) {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
}

/** A stream in place of one of the process, like a pipe that is read at once. */
function replaced(name) {
  const said = []
  const write = (chunk, _, done) => done(void said.push(chunk))
  Object.defineProperty(process, name, { value: new Writable({ write }), configurable: true })
  return () => Buffer.concat(said).toString()
}

process.on('message', async ({ args, env, cwd }) => {
  // Only the command keeps this process alive until the event below.
  process.channel.unref()
  setEnv(env)
  process.chdir(cwd)
  process.argv = [process.execPath, BIN, ...args]
  process.exitCode = undefined
  const [out, errors] = ['stdout', 'stderr'].map(replaced)
  // The old one writes to the streams of the first command.
  globalThis.console = new Console(process.stdout, process.stderr)
  process.once('beforeExit', (code) => {
    process.channel.ref()
    process.send({ code, out: out(), errors: errors() })
  })
  forgetModules()
  await require(MAIN).main(process.argv)
})
