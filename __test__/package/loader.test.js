'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { version } = require('../../package.json')
const { platforms, thisPlatform } = require('../../lib/native/platforms')
const { describeIf } = require('../helpers/describe')

const ROOT = path.join(__dirname, '../..')
const NAME = thisPlatform()
const ADDON = `media-credits.${NAME}.node`
/** These tests change an ELF file, which names its version of glibc, and use a script as cargo. */
const onGlibc = describeIf(NAME.endsWith('-gnu'), `this is ${NAME}, they take Linux with glibc`)
const BUILD = 'install Rust (https://rustup.rs) and a C compiler and run `npx media-credits build`'

/** A copy of the package without a binary, in an app's node_modules. */
let app
let copy
beforeEach(() => {
  app = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-loader-'))
  copy = path.join(app, 'node_modules/media-credits')
  const { files } = require('../../package.json')
  for (const file of ['package.json', ...files].filter((file) =>
    /\.(ts|m?js|json)$|^(lib|types|cli)/.test(file),
  )) {
    fs.cpSync(path.join(ROOT, file), path.join(copy, file), { recursive: true })
  }
})
afterEach(() => fs.rmSync(app, { recursive: true, force: true }))

/** Runs Node in the app. The first line of an error is its message. */
function node(args, env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: app,
    encoding: 'utf8',
    // The command line's own packages are at their place in node_modules.
    env: { ...process.env, NODE_PATH: path.join(ROOT, 'node_modules'), ...env },
  })
  const [, error] = stderr.match(/^Error: (.*)$/m) ?? []
  return { status, error, out: stdout.trim(), errors: stderr.trim() }
}

/** The built addon, with one text in it replaced by another of the same length. */
function writePatched(from, to) {
  const addon = fs.readFileSync(path.join(ROOT, ADDON))
  const at = addon.indexOf(from)
  expect(at).toBeGreaterThan(0)
  addon.write(to, at, 'latin1')
  fs.writeFileSync(path.join(copy, ADDON), addon)
}

const REQUIRE = ['-e', "require('media-credits')"]

describe('without its binary, the error names the likely cause and the command that fixes it:', () => {
  const WANTED = `@media-credits/${NAME}`
  const OTHER = Object.keys(platforms).find((name) => name !== NAME)
  const FOREIGN = `node_modules/@media-credits/${OTHER}/package.json`
  const anew = (command) => `delete node_modules and run \`${command}\` on this system`
  const omitted = (how, cure) =>
    `${WANTED} is not installed, for example because of ${how}, an install on another system or a registry that lacks it; ${cure}`
  const copied = (cure) =>
    `node_modules has the binary for ${OTHER}: it was copied from another system (add it to .dockerignore) ` +
    `or installed for one; ${cure}`
  const [UNKNOWN, NPM, PNPM, YARN, BUN] = [
    'reinstall the packages on this system',
    anew('npm install --include=optional'),
    anew('pnpm install'),
    anew('yarn install'),
    anew('bun install'),
  ]

  /** npm's lock file with these packages, as npm writes it. */
  const lock = (...names) =>
    JSON.stringify(Object.fromEntries(names.map((name) => [`node_modules/${name}`, {}])), null, 2)
  const lacks = (file) =>
    `${file} does not list ${WANTED}, for example because another system wrote it; run \`npm install media-credits@${version}\` ` +
    `in the folder whose package.json names it, and commit ${file}`

  const CHOICE = 'supportedArchitectures:\n  os: [aix]\n'
  const { os: system, cpu, libc } = platforms[NAME]
  const chosen = (file, command) =>
    `${WANTED} is not installed, because supportedArchitectures in ${file} does not include it; ` +
    `add os ${system}, cpu ${cpu}${libc ? ` and libc ${libc}` : ''}, and run \`${command}\``

  test.each([
    ['nothing', {}, omitted('--omit=optional', UNKNOWN)],
    ['another platform', { [FOREIGN]: '' }, copied(UNKNOWN)],
    [
      'its folder without files',
      { [`node_modules/${WANTED}/package.json`]: '{}' },
      `${WANTED} is installed without its file; ${UNKNOWN}`,
    ],

    ['npm', { 'node_modules/.package-lock.json': '' }, omitted('--omit=optional', NPM)],
    [
      'npm, and a full lock file',
      { 'package-lock.json': lock('media-credits', WANTED) },
      omitted('--omit=optional', NPM),
    ],
    ['npm, and another platform', { 'node_modules/.package-lock.json': '', [FOREIGN]: '' }, copied(NPM)],
    [
      'npm, and a lock file without it',
      { 'package-lock.json': lock('media-credits'), [FOREIGN]: '' },
      lacks('package-lock.json'),
    ],
    [
      'npm, and a shrinkwrap without it',
      { 'npm-shrinkwrap.json': lock('media-credits') },
      lacks('npm-shrinkwrap.json'),
    ],
    [
      'npm, and a lock file of other packages',
      { 'package-lock.json': lock('x') },
      omitted('--omit=optional', NPM),
    ],

    ['pnpm', { 'node_modules/.modules.yaml': '' }, omitted('--no-optional', PNPM)],
    ['pnpm, and another platform', { 'pnpm-lock.yaml': '', [FOREIGN]: '' }, copied(PNPM)],
    [
      'pnpm, and a choice',
      { 'pnpm-lock.yaml': '', 'pnpm-workspace.yaml': CHOICE, [FOREIGN]: '' },
      chosen('pnpm-workspace.yaml', 'pnpm install'),
    ],
    [
      'pnpm before 10, and a choice',
      { 'pnpm-lock.yaml': '', 'package.json': '{ "pnpm": { "supportedArchitectures": {} } }' },
      chosen('package.json', 'pnpm install'),
    ],
    [
      'pnpm, and a lock file of npm',
      { 'node_modules/.modules.yaml': '', 'package-lock.json': lock('media-credits') },
      omitted('--no-optional', PNPM),
    ],

    ['yarn 1', { 'node_modules/.yarn-integrity': '' }, omitted('--ignore-optional', YARN)],
    ['yarn 4, and another platform', { 'node_modules/.yarn-state.yml': '', [FOREIGN]: '' }, copied(YARN)],
    [
      'yarn 4, and a choice',
      { 'yarn.lock': '', '.yarnrc.yml': CHOICE },
      chosen('.yarnrc.yml', 'yarn install'),
    ],
    [
      'npm, and a choice of yarn',
      { 'node_modules/.package-lock.json': '', '.yarnrc.yml': CHOICE },
      omitted('--omit=optional', NPM),
    ],

    ['bun', { 'bun.lock': '' }, omitted('--omit=optional', BUN)],
    ['bun before 1.2, and another platform', { 'bun.lockb': '', [FOREIGN]: '' }, copied(BUN)],
  ])('where there is %s', (what, files, said) => {
    for (const [file, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(app, file)), { recursive: true })
      fs.writeFileSync(path.join(app, file), content)
    }
    expect(node(REQUIRE).error).toBe(
      `media-credits finds no binary for ${NAME}: ${said}; to build one here, ${BUILD}`,
    )
  })

  test('the error names a package for another platform that pnpm links', () => {
    const store = path.join(app, `node_modules/.pnpm/media-credits@${version}/node_modules`)
    fs.mkdirSync(path.join(store, '@media-credits', OTHER), { recursive: true })
    fs.renameSync(copy, path.join(store, 'media-credits'))
    fs.symlinkSync(path.join(store, 'media-credits'), copy, 'junction')
    fs.writeFileSync(path.join(app, 'node_modules/.modules.yaml'), '')
    expect(node(REQUIRE).error).toContain(copied(PNPM))
  })

  test('the error names the cause in a workspace, whose lock file is in a parent folder', () => {
    const workspace = path.join(app, 'packages/web')
    fs.mkdirSync(workspace, { recursive: true })
    fs.renameSync(path.join(app, 'node_modules'), path.join(workspace, 'node_modules'))
    fs.writeFileSync(path.join(app, 'package-lock.json'), lock('media-credits', WANTED))
    const { error } = node(['-e', "require('./packages/web/node_modules/media-credits')"])
    expect(error).toContain(omitted('--omit=optional', NPM))
  })

  test('the command line has the same error', () => {
    const { status, errors } = node([path.join(copy, 'cli/bin/media-credits.js'), 'init', 'file:x.db'])
    expect(status).toBe(3)
    expect(errors).toBe(
      `media-credits finds no binary for ${NAME}: ${omitted('--omit=optional', UNKNOWN)}; to build one here, ${BUILD}`,
    )
  })
})

onGlibc('without a binary that loads, one sentence says what to do', () => {
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

  test('the error names the newer glibc that a binary needs', () => {
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

  test('the error says that a binary needs musl', () => {
    writePatched('libm.so.6\0', 'libc.musl\0')
    expect(node(REQUIRE).error).toContain(
      `has a binary for ${NAME} that needs musl, and this system has glibc;`,
    )
  })

  test('the error says that a file that is not a binary does not load', () => {
    fs.writeFileSync(path.join(copy, ADDON), 'version https://git-lfs')
    expect(node(REQUIRE).error).toMatch(
      /that does not load: .*(too short|invalid ELF header).*; to build one here/,
    )
  })
})

onGlibc('npx media-credits build', () => {
  const build = (env, ...options) =>
    node([path.join(copy, 'cli/bin/media-credits.js'), 'build', ...options], env)

  /** A cargo that records its arguments, and names a library that it has not built. */
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

  test('makes a binary in the package, which then loads', () => {
    const library = path.join(app, 'libmedia_credits.so')
    fs.copyFileSync(path.join(ROOT, ADDON), library)
    const { status, out } = build(fakeCargo(library))
    expect({ status, out }).toEqual({ status: 0, out: `${path.join(copy, ADDON)} is built and loads.` })
    const called = fs.readFileSync(path.join(app, 'called'), 'utf8')
    expect(called).toContain(`${copy} build --release --lib --locked `)
    expect(node(REQUIRE)).toMatchObject({ status: 0, errors: '' })
  })

  test('with --if-missing does not build if a binary loads', () => {
    const library = path.join(app, 'libmedia_credits.so')
    fs.copyFileSync(path.join(ROOT, ADDON), library)
    const env = fakeCargo(library)
    writePatched('GLIBC_2.17\0', 'GLIBC_2.99\0')
    const { out, errors } = build(env, '--if-missing')
    expect(out).toBe(`${path.join(copy, ADDON)} is built and loads.`)
    // There may be a remedy without Rust.
    expect(errors).toContain('needs glibc 2.99')
    fs.rmSync(path.join(app, 'called'))
    const again = build(env, '--if-missing')
    expect(again).toMatchObject({ status: 0, out: 'There is a binary that loads.' })
    expect(fs.existsSync(path.join(app, 'called'))).toBe(false)
  })

  test('reports that Rust is missing', () => {
    const { status, errors } = build({ PATH: app })
    expect(status).toBe(3)
    expect(errors).toContain('there is no cargo on the PATH: https://rustup.rs installs it')
  })
})

describe('without Node', () => {
  const load = {
    require: ['-e', "require('media-credits')"],
    import: ['--input-type=module', '-e', "import { createMediaTask } from 'media-credits'"],
    're-export': ['--input-type=module', '-e', "export * from 'media-credits'"],
  }

  test.each(['browser', 'edge-light', 'workerd'])(
    'the import for %s has the remedy in its error',
    (condition) => {
      for (const way of Object.values(load)) {
        const { error } = node([`--conditions=${condition}`, ...way])
        expect(error).toContain('media-credits runs on Node.js alone')
        expect(error).toContain("export const runtime = 'nodejs'")
        expect(error).toContain('serverExternalPackages')
        expect(error).toContain('@jest-environment node')
      }
    },
  )

  test('each name is exported, with the same error for each kind of use', () => {
    const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8')
    const names = (file) =>
      read(file)
        .match(/^export (?:const \{|let)([^}=]*?)(?:\}|\n\n)/m)[1]
        .match(/\w+/g)
    expect(names('lib/native/unsupported.mjs')).toEqual(names('lib/index.mjs'))
    const thrown = (file) => read(file).match(/^throw [^]*/m)[0]
    expect(thrown('lib/native/unsupported.mjs')).toBe(thrown('lib/native/unsupported.js'))
  })

  test('Node finds the package by require, by name, and its package.json', () => {
    fs.copyFileSync(path.join(ROOT, ADDON), path.join(copy, ADDON))
    for (const way of Object.values(load)) expect(node(way)).toMatchObject({ status: 0, errors: '' })
    expect(node(['-p', "require('media-credits/package.json').name"]).out).toBe('media-credits')
  })
})
