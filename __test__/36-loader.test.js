'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { thisPlatform } = require('../platforms')
const { describeIf } = require('./helpers/describe')

const ROOT = path.join(__dirname, '..')
const NAME = thisPlatform()
const ADDON = `media-credits.${NAME}.node`
/** What these tests take apart is an ELF file, which names its version of glibc; and a fake cargo is a script. */
const onGlibc = describeIf(NAME.endsWith('-gnu'), `this is ${NAME}, they take Linux with glibc`)
const BUILD = 'install Rust (https://rustup.rs) and a C compiler and run `npx media-credits build`'

/** A copy of the package without a binary, in an app's node_modules. */
let app
let copy
beforeEach(() => {
  app = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-loader-'))
  copy = path.join(app, 'node_modules/media-credits')
  const { files } = require('../package.json')
  for (const file of ['package.json', ...files].filter((file) => /\.(ts|m?js|json)$|^(bin|cli)/.test(file))) {
    fs.cpSync(path.join(ROOT, file), path.join(copy, file), { recursive: true })
  }
})
afterEach(() => fs.rmSync(app, { recursive: true, force: true }))

/** Runs Node in the app. The first line of an error is its message. */
function node(args, env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: app,
    encoding: 'utf8',
    // The command line's own packages are where npm put them.
    env: { ...process.env, NODE_PATH: path.join(ROOT, 'node_modules'), ...env },
  })
  const [, error] = stderr.match(/^Error: (.*)$/m) ?? []
  return { status, error, out: stdout.trim(), errors: stderr.trim() }
}

/** The built addon, with one text in it instead of another of the same length. */
function writePatched(from, to) {
  const addon = fs.readFileSync(path.join(ROOT, ADDON))
  const at = addon.indexOf(from)
  expect(at).toBeGreaterThan(0)
  addon.write(to, at, 'latin1')
  fs.writeFileSync(path.join(copy, ADDON), addon)
}

const REQUIRE = ['-e', "require('media-credits')"]

onGlibc('without a binary that loads, one sentence says what to do', () => {
  test('where its package is not installed', () => {
    const { error } = node(REQUIRE)
    expect(error).toContain(
      `media-credits finds no binary for ${NAME}: @media-credits/${NAME} is not installed`,
    )
    expect(error).toContain(BUILD)
  })

  test.each([
    ['freebsd', 'x64', 'freebsd-x64'],
    ['win32', 'arm64', 'win32-arm64-msvc'],
    ['linux', 'riscv64', 'linux-riscv64-gnu'],
  ])('on %s %s, for which there is none', (platform, arch, name) => {
    const pretend = `Object.defineProperties(process,
      { platform: { value: '${platform}' }, arch: { value: '${arch}' } })`
    const { error } = node(['-e', `${pretend}; require('media-credits')`])
    expect(error).toContain(
      `media-credits has no binary for ${name}, only for linux-x64-gnu, linux-x64-musl,`,
    )
    expect(error).toContain(BUILD)
  })

  test('where it needs a newer glibc', () => {
    writePatched('GLIBC_2.17\0', 'GLIBC_2.99\0')
    // The report must not look up the names of network addresses, which may take seconds.
    const watched = `const { report } = process
      const { getReport } = report
      report.getReport = () => (console.log(report.excludeNetwork), getReport.call(report))
      try { require('media-credits') } finally { console.log(report.excludeNetwork) }`
    const { error, out } = node(['-e', watched])
    expect(out).toBe(`true\n${process.report.excludeNetwork}`)
    const { glibcVersionRuntime } = process.report.getReport().header
    expect(error).toContain(
      `has a binary for ${NAME} that needs glibc 2.99, and this system has ${glibcVersionRuntime};`,
    )
    expect(error).toContain(BUILD)
  })

  test('where it needs musl', () => {
    writePatched('libm.so.6\0', 'libc.musl\0')
    expect(node(REQUIRE).error).toContain(
      `has a binary for ${NAME} that needs musl, and this system has glibc;`,
    )
  })

  test('where it is no binary at all', () => {
    fs.writeFileSync(path.join(copy, ADDON), 'version https://git-lfs')
    expect(node(REQUIRE).error).toMatch(
      /that does not load: .*(too short|invalid ELF header).*; to build one here/,
    )
  })

  test('and the command line says the same', () => {
    const { status, errors } = node([path.join(copy, 'bin/media-credits.js'), 'init', 'file:x.db'])
    expect(status).toBe(3)
    expect(errors).toMatch(/^media-credits finds no binary for .*`$/)
  })
})

onGlibc('npx media-credits build', () => {
  const build = (env, ...options) => node([path.join(copy, 'bin/media-credits.js'), 'build', ...options], env)

  /** A cargo that writes down how it was called, and says where a library is that it has not built. */
  function fakeCargo(library) {
    const bin = path.join(app, 'bin')
    fs.mkdirSync(bin)
    const artifact = {
      reason: 'compiler-artifact',
      target: { name: 'media_credits' },
      filenames: [library],
    }
    const script = `#!/bin/sh\necho "$PWD $*" > '${app}/called'\necho '${JSON.stringify(artifact)}'\n`
    fs.writeFileSync(path.join(bin, 'cargo'), script, { mode: 0o755 })
    return { PATH: `${bin}:${process.env.PATH}` }
  }

  test('builds in the package, which loads from then on', () => {
    const library = path.join(app, 'libmedia_credits.so')
    fs.copyFileSync(path.join(ROOT, ADDON), library)
    const { status, out } = build(fakeCargo(library))
    expect({ status, out }).toEqual({ status: 0, out: `${path.join(copy, ADDON)} is built and loads.` })
    const called = fs.readFileSync(path.join(app, 'called'), 'utf8')
    expect(called).toContain(`${copy} build --release --locked --lib `)
    expect(node(REQUIRE)).toMatchObject({ status: 0, errors: '' })
  })

  test('with --if-missing, as an app says after each install, leaves alone what loads', () => {
    const library = path.join(app, 'libmedia_credits.so')
    fs.copyFileSync(path.join(ROOT, ADDON), library)
    const env = fakeCargo(library)
    writePatched('GLIBC_2.17\0', 'GLIBC_2.99\0')
    expect(build(env, '--if-missing').out).toBe(`${path.join(copy, ADDON)} is built and loads.`)
    fs.rmSync(path.join(app, 'called'))
    const again = build(env, '--if-missing')
    expect(again).toMatchObject({ status: 0, out: 'There is a binary that loads.' })
    expect(fs.existsSync(path.join(app, 'called'))).toBe(false)
  })

  test('says that Rust is missing', () => {
    const { status, errors } = build({ PATH: app })
    expect(status).toBe(3)
    expect(errors).toContain('there is no cargo on the PATH: https://rustup.rs installs it')
  })
})

describe('where there is no Node', () => {
  const load = {
    require: ['-e', "require('media-credits')"],
    import: ['--input-type=module', '-e', "import { createMediaTask } from 'media-credits'"],
    're-export': ['--input-type=module', '-e', "export * from 'media-credits'"],
  }

  test.each(['browser', 'edge-light', 'workerd'])('%s: the import says what to do', (condition) => {
    for (const way of Object.values(load)) {
      const { error } = node([`--conditions=${condition}`, ...way])
      expect(error).toContain('media-credits runs on Node.js alone')
      expect(error).toContain("export const runtime = 'nodejs'")
      expect(error).toContain('serverExternalPackages')
      expect(error).toContain('@jest-environment node')
    }
  })

  test('it has every name that there is where there is Node, and the same sentence for each way', () => {
    const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8')
    const names = (file) =>
      read(file)
        .match(/^export (?:const \{|let)([^}=]*?)(?:\}|\n\n)/m)[1]
        .match(/\w+/g)
    expect(names('unsupported.mjs')).toEqual(names('index.mjs'))
    const thrown = (file) => read(file).match(/^throw [^]*/m)[0]
    expect(thrown('unsupported.mjs')).toBe(thrown('unsupported.js'))
  })

  test('Node itself finds the package by require, by name, and its package.json', () => {
    fs.copyFileSync(path.join(ROOT, ADDON), path.join(copy, ADDON))
    for (const way of Object.values(load)) expect(node(way)).toMatchObject({ status: 0, errors: '' })
    expect(node(['-p', "require('media-credits/package.json').name"]).out).toBe('media-credits')
  })
})
