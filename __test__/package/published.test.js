'use strict'

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const manifest = require('../../package.json')
const { platforms, thisPlatform } = require('../../lib/native/platforms')
const { windowsLibrary } = require('../helpers/windows-library')

const ROOT = path.join(__dirname, '../..')
const SLOW_MS = 120_000

let folder
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-package-'))))
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

function run(command, args, options) {
  const stdio = ['ignore', 'pipe', 'pipe']
  return execFileSync(command, args, { encoding: 'utf8', cwd: folder, stdio, ...options }).trim()
}

const readWorkflow = (name) => fs.readFileSync(path.join(ROOT, '.github/workflows', name), 'utf8')

const readJson = (...names) => JSON.parse(fs.readFileSync(path.join(folder, ...names), 'utf8'))

/**
 * A PATH on which npm lists the files of this checkout once, and then repeats the list: npm packs and hashes all of
 * them for a list, the addon too.
 */
let PATH
let listing
beforeAll(() => {
  listing = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-listing-'))
  const npm = `#!/bin/sh
    PATH='${process.env.PATH}'
    if [ "$*" != 'pack --dry-run --json --ignore-scripts' ]; then exec npm "$@"; fi
    [ -e '${listing}/files' ] || { npm "$@" >'${listing}/said' && mv '${listing}/said' '${listing}/files'; }
    cat '${listing}/files'`
  fs.writeFileSync(path.join(listing, 'npm'), npm, { mode: 0o755 })
  PATH = `${listing}:${process.env.PATH}`
})
afterAll(() => fs.rmSync(listing, { recursive: true, force: true }))

/** Packages with fake binaries, except for this platform's if it is `built`: a real one is large to pack and hash. */
function makePackages(names, options = [], { env = { ...process.env, PATH }, built = false } = {}) {
  fs.mkdirSync(path.join(folder, 'binaries'))
  for (const name of names) {
    const file = `media-credits.${name}.node`
    const place = path.join(folder, 'binaries', file)
    if (built) copyAddon(file, place)
    else fs.writeFileSync(place, `the binary for ${name}`)
  }
  const script = path.join(ROOT, 'scripts/platform-packages.js')
  return run(process.execPath, [script, 'binaries', '--into', 'npm', ...options], { env })
}

/** Without what only a debugger reads, which is half of a debug build and slow to pack. Where there is no `strip` it stays. */
function copyAddon(file, place) {
  fs.copyFileSync(path.join(ROOT, file), place)
  if (process.platform === 'linux') spawnSync('strip', [place])
}

/** The packages that npm would fetch, put in place: a test may run without a registry. */
function bringDependencies(app) {
  const { packages } = require('../../package-lock.json')
  const needed = Object.entries(packages).filter(([place, { dev }]) => place !== '' && !dev)
  for (const [place] of needed) fs.cpSync(path.join(ROOT, place), path.join(app, place), { recursive: true })
}

describe('the published package', () => {
  test(
    'is installed as two packages, and works',
    () => {
      const name = thisPlatform()
      makePackages([name], ['--some'], { built: true })
      const pack = ['pack', '--silent', './npm/media-credits', `./npm/${name}`]
      const tarballs = run('npm', pack).split('\n')
      const app = path.join(folder, 'app')
      fs.mkdirSync(app)
      run('npm', ['init', '--yes'], { cwd: app })
      bringDependencies(app)
      const install = ['install', '--offline', '--ignore-scripts', ...tarballs.map((file) => `../${file}`)]
      run('npm', install, { cwd: app })
      const installed = fs.readdirSync(path.join(app, 'node_modules/media-credits'))
      expect(installed.filter((file) => file.endsWith('.node'))).toEqual([])
      const smoke = [path.join(ROOT, 'scripts/smoke.js'), 'node_modules/media-credits']
      expect(run(process.execPath, smoke, { cwd: app })).toContain('media-credits works')
      const bin = path.join(app, 'node_modules/media-credits/cli/bin/media-credits.js')
      expect(run(process.execPath, [bin, 'init', 'local.db'], { cwd: app })).toContain('has the tables')
      expect(run(process.execPath, [bin, 'doctor', '--url', 'local.db'], { cwd: app })).toContain(
        '0 problems',
      )
    },
    SLOW_MS,
  )

  test(
    'names exactly these versions, and their platforms',
    () => {
      makePackages(Object.keys(platforms))
      const main = readJson('npm/media-credits/package.json')
      const names = Object.keys(platforms).map((name) => `@media-credits/${name}`)
      expect(main.optionalDependencies).toEqual(
        Object.fromEntries(names.map((name) => [name, manifest.version])),
      )
      expect(main).not.toHaveProperty('scripts')
      expect(main).not.toHaveProperty('devDependencies')
      expect(manifest).not.toHaveProperty('optionalDependencies')
      const fits = (name) => {
        const { version, os, cpu, libc, main } = readJson('npm', name, 'package.json')
        expect(version).toBe(manifest.version)
        expect(fs.existsSync(path.join(folder, 'npm', name, main))).toBe(true)
        return { os, cpu, libc }
      }
      expect(fits('linux-x64-gnu')).toEqual({ os: ['linux'], cpu: ['x64'], libc: ['glibc'] })
      expect(fits('linux-arm64-musl')).toEqual({ os: ['linux'], cpu: ['arm64'], libc: ['musl'] })
      expect(fits('darwin-arm64')).toEqual({ os: ['darwin'], cpu: ['arm64'] })
      expect(fits('win32-x64-msvc')).toEqual({ os: ['win32'], cpu: ['x64'] })
    },
    SLOW_MS,
  )

  test.each([
    ['before version 12', 'Object.values(packed)'],
    ['since version 12', 'Object.fromEntries(Object.values(packed).map((one) => [one.name, one]))'],
  ])(
    'has the files that npm lists, in its format %s',
    (when, said) => {
      fs.mkdirSync(path.join(folder, 'bin'))
      const retell = `const packed = JSON.parse(fs.readFileSync(0)); console.log(JSON.stringify(${said}))`
      const npm = `#!/bin/sh\nPATH='${PATH}'\nnpm "$@" | node -e '${retell}'\n`
      fs.writeFileSync(path.join(folder, 'bin/npm'), npm, { mode: 0o755 })
      const env = { ...process.env, PATH: `${folder}/bin:${process.env.PATH}` }
      makePackages([thisPlatform()], ['--some'], { env })
      const made = fs.readdirSync(path.join(folder, 'npm/media-credits'))
      expect(made).toEqual(expect.arrayContaining(['README.md', 'cli', 'docs', 'index.d.ts', 'lib', 'src']))
      expect(made.filter((file) => file.endsWith('.node'))).toEqual([])
    },
    SLOW_MS,
  )

  test('is not made of only some platforms by mistake', () => {
    expect(() => makePackages(['linux-x64-gnu'])).toThrow('lacks media-credits.linux-x64-musl.node')
  })
})

describe('the loader', () => {
  test('requires each platform in a form that file tracers understand', () => {
    const source = fs.readFileSync(path.join(ROOT, 'lib/native/binding.js'), 'utf8')
    for (const name of Object.keys(platforms)) {
      expect(source).toContain(`require('../../media-credits.${name}.node')`)
      expect(source).toContain(`require('@media-credits/${name}')`)
    }
  })
})

describe('a release', () => {
  /** An npm that has `there`, records how it publishes, and does everything except the upload. */
  function pretendRegistry(there) {
    fs.mkdirSync(path.join(folder, 'bin'))
    const npm = `#!/bin/sh
      PATH='${process.env.PATH}'
      case $1 in
        publish) echo "$@" >> published; exec npm "$@" --dry-run --offline --git=false ;;
        view) [ "$2" != '${there}' ] || echo there ;;
      esac`
    fs.writeFileSync(path.join(folder, 'bin/npm'), npm, { mode: 0o755 })
    return { ...process.env, PATH: `${folder}/bin:${process.env.PATH}` }
  }

  const published = () => {
    const file = path.join(folder, 'published')
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim() : ''
  }

  /** Publishes a package of this version while npm has `there`. */
  function publish(version, there) {
    fs.mkdirSync(path.join(folder, 'package'))
    fs.mkdirSync(path.join(folder, 'release'))
    const content = JSON.stringify({ name: '@media-credits/x', version })
    fs.writeFileSync(path.join(folder, 'package/package.json'), content)
    run('tar', ['-czf', 'release/x.tgz', 'package'])
    const env = pretendRegistry(there)
    return run('bash', [path.join(ROOT, '.ci/publish'), 'release/x.tgz'], { env })
  }

  test('publishes the packages that npm does not have', () => {
    expect(publish('1.2.3', '@media-credits/x@1.2.2')).toBe('+ @media-credits/x@1.2.3')
    expect(published()).toMatch(/^publish .* --tag latest [^ ]*x\.tgz$/)
  })

  test('continues where it stopped', () => {
    expect(publish('1.2.3', '@media-credits/x@1.2.3')).toBe('@media-credits/x@1.2.3 is already published')
    expect(published()).toBe('')
  })

  test('publishes a prerelease with the tag next', () => {
    expect(publish('1.2.3-rc.1', '')).toBe('+ @media-credits/x@1.2.3-rc.1')
    expect(published()).toMatch(/^publish .* --tag next [^ ]*x\.tgz$/)
  })

  test(
    'makes checksums of its files, and publishes the platforms before the main package, also when repeated',
    () => {
      const name = thisPlatform()
      const { version } = manifest
      makePackages([name], ['--some'])
      const tarballs = [`media-credits-${name}-${version}.tgz`, `media-credits-${version}.tgz`]
      const files = [`media-credits.${name}.node`, ...tarballs]
      for (const time of ['first', 'second']) {
        run('bash', [path.join(ROOT, '.ci/release-files')])
        expect([time, fs.readdirSync(path.join(folder, 'release')).sort()]).toEqual([
          time,
          ['SHA256SUMS', ...files].sort(),
        ])
        const checked = run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: path.join(folder, 'release') })
        expect(checked.split('\n').sort()).toEqual(files.map((file) => `${file}: OK`).sort())
      }
      const [command] = readWorkflow('release.yml').match(/\.ci\/publish .*/)
      expect(run('bash', ['-c', `${ROOT}/${command}`], { env: pretendRegistry('') }).split('\n')).toEqual([
        `+ @media-credits/${name}@${version}`,
        `+ media-credits@${version}`,
      ])
    },
    SLOW_MS,
  )
})

describe('a binary for Windows', () => {
  test('contains the C runtime of Visual C++', () => {
    fs.mkdirSync(path.join(folder, 'bin'))
    const cargo = `#!/bin/sh\necho "$@ RUSTFLAGS=$RUSTFLAGS" > '${folder}/called'\nexit 1\n`
    fs.writeFileSync(path.join(folder, 'bin/cargo'), cargo, { mode: 0o755 })
    const env = { ...process.env, PATH: `${folder}/bin:${process.env.PATH}`, RUSTFLAGS: '--cfg own' }
    const build = () =>
      run(process.execPath, [path.join(ROOT, 'scripts/build.js'), 'win32-x64-msvc'], { env })
    expect(build).toThrow('cargo could not build')
    const called = fs.readFileSync(path.join(folder, 'called'), 'utf8')
    expect(called).toContain('--target x86_64-pc-windows-msvc ')
    expect(called).toContain('RUSTFLAGS=--cfg own -C target-feature=+crt-static\n')
  })

  const SYSTEM = ['KERNEL32.dll', 'ntdll.dll', 'WS2_32.dll', 'api-ms-win-core-synch-l1-2-0.dll']

  /** The result of the check for a library that imports these. */
  function check(...libraries) {
    fs.writeFileSync(path.join(folder, 'addon.node'), windowsLibrary(libraries))
    return run(process.execPath, [path.join(ROOT, 'scripts/windows-imports.js'), 'addon.node'])
  }

  test('is released if it needs only libraries of each Windows 10', () => {
    const runtime = ['ucrtbase.dll', 'api-ms-win-crt-heap-l1-1-0.dll']
    for (const libraries of [SYSTEM, [...SYSTEM, ...runtime]]) {
      expect(check(...libraries)).toBe(`addon.node needs ${libraries.join(', ').toLowerCase()}`)
    }
  })

  test.each(['VCRUNTIME140.dll', 'vcruntime140_1.dll', 'MSVCP140.dll', 'libnode.dll', 'api-ms-win-x.y.dll'])(
    'is not released if it needs %s',
    (library) => {
      for (const libraries of [
        [library, ...SYSTEM],
        [...SYSTEM, library],
      ]) {
        expect(() => check(...libraries)).toThrow(
          `addon.node needs ${library.toLowerCase()}, not known as part of Windows 10`,
        )
      }
    },
  )

  test('is not released if its imports can not be read', () => {
    expect(() => check()).toThrow('objdump finds no imports in it')
    fs.writeFileSync(path.join(folder, 'text.node'), 'no library')
    const script = path.join(ROOT, 'scripts/windows-imports.js')
    expect(() => run(process.execPath, [script, 'text.node'])).toThrow(/format not recognized/)
    expect(() => run(process.execPath, [script])).toThrow('the binary is missing')
  })
})

describe('the workflows', () => {
  test('run only scripts that exist', () => {
    const commands = ['ci.yml', 'release.yml'].flatMap((name) =>
      readWorkflow(name).match(/(scripts|\.ci|\.github)\/[\w./-]+/g),
    )
    expect(commands).toContain('scripts/smoke.js')
    for (const file of commands) expect([file, fs.existsSync(path.join(ROOT, file))]).toEqual([file, true])
  })

  test('run on each supported Node, and a release on the oldest and the newest', () => {
    const [, all] = readWorkflow('ci.yml').match(/node: \[(.+)\]/)
    const supported = all.split(', ')
    const named = (name) => readWorkflow('release.yml').match(`${name}: (\\d+)`)[1]
    expect(manifest.engines.node).toBe(`>=${named('OLDEST_NODE')}`)
    expect([supported.at(0), supported.at(-1)]).toEqual([named('OLDEST_NODE'), named('NEWEST_NODE')])
  })

  test('release no binary for Alpine that the oldest or the newest Node does not load', () => {
    const script = readWorkflow('release.yml').match(/on Alpine\n.*\n {8}run: \|\n((?: {10}.*\n)+)/)[1]
    fs.mkdirSync(path.join(folder, 'bin'))
    const docker = '#!/bin/sh\necho "$@" >> tried\ncase "$@" in *node:$BROKEN-alpine*) exit 1 ;; esac\n'
    fs.writeFileSync(path.join(folder, 'bin/docker'), docker, { mode: 0o755 })
    const tryBoth = (BROKEN) => {
      const env = { PATH: `${folder}/bin:${process.env.PATH}`, OLDEST_NODE: '20', NEWEST_NODE: '26', BROKEN }
      fs.rmSync(path.join(folder, 'tried'), { force: true })
      // Like a step of GitHub.
      run('bash', ['-e', '-c', script], { env })
      return fs.readFileSync(path.join(folder, 'tried'), 'utf8').match(/node:[\w-]+/g)
    }
    expect(tryBoth('none')).toEqual(['node:20-alpine', 'node:26-alpine'])
    expect(() => tryBoth('20')).toThrow('Command failed')
    expect(() => tryBoth('26')).toThrow('Command failed')
  })

  test('release each platform', () => {
    const released = readWorkflow('release.yml').matchAll(/platform: ([\w-]+), .* rust: ([\w-]+)/g)
    const expected = Object.entries(platforms).map(([name, { rust }]) => [name, rust])
    expect([...released].map(([, name, rust]) => [name, rust]).sort()).toEqual(expected.sort())
  })
})
