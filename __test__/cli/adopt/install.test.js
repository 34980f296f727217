'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../../package.json')
const { App } = require('../../../cli/adopt/app')
const { errorsOf, newErrors } = require('../../../cli/adopt/compiler')
const { isInstalled } = require('../../../cli/adopt/install')
const { cli } = require('../../helpers/cli')
const { appOf, commit, folderOf, link, manifest, textsOf } = require('./apps')
const { STOCK } = require('./stock')

const ROOT = path.join(__dirname, '../../..')
const TROUBLE = 3

const packageJson = (fields) => JSON.stringify({ ...manifest, ...fields })
const there = (found) => ({
  'node_modules/media-credits/package.json': JSON.stringify({ name: 'media-credits', version: found }),
})

describe('the package counts as installed or not', () => {
  const inDependencies = (spec) => ({ dependencies: { ...manifest.dependencies, 'media-credits': spec } })

  test.each([
    ['in the version of package.json', inDependencies('^1.2.3'), '1.2.3', true],
    ['in a later version', inDependencies('~1.2.3'), '1.10.0', true],
    ['in an older version', inDependencies('^1.2.3'), '1.2.2', false],
    ['in a much older version', inDependencies('2.0.0'), '1.9.9', false],
    ['from a tarball', inDependencies('file:../a.tgz'), '0.0.1', true],
    ['nowhere', inDependencies('^1.2.3'), undefined, false],
    ['without an entry in package.json', {}, version, true],
    ['in a version that is too old for the entry that is added', {}, '0.0.0', false],
    ['only for development', { devDependencies: { 'media-credits': '^1.2.3' } }, '1.2.3', false],
  ])('%s', (_, fields, found, expected) => {
    const app = appOf({ 'package.json': packageJson(fields), ...(found ? there(found) : {}) })
    expect(isInstalled(app)).toBe(expected)
  })
})

describe('an installation', () => {
  const files = Object.fromEntries(Object.entries(STOCK).filter(([name]) => name !== 'tsconfig.json'))

  /** An app whose npm is a script. */
  function appWith(script) {
    const root = folderOf({ ...files, '.gitignore': 'node_modules\nbin\n', 'package-lock.json': '{}\n' })
    link(root, ['typescript'])
    commit(root)
    fs.mkdirSync(path.join(root, 'bin'))
    const say = (text) =>
      fs.writeFileSync(path.join(root, 'bin/npm'), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    say(script)
    const env = { FORCE_COLOR: '0', PATH: `${path.join(root, 'bin')}${path.delimiter}${process.env.PATH}` }
    return {
      root,
      say,
      adopt: (...words) => cli(['adopt', '--apply', ...words], { cwd: root, env, isAlone: true }),
    }
  }

  const WORKS = `mkdir -p node_modules && ln -s '${ROOT}' node_modules/media-credits`
  const NEXT = ['npm install', 'npx tsc --noEmit', 'npx media-credits doctor']

  test('that fails prints the command to run, and the next one continues', async () => {
    const { root, say, adopt } = appWith('exit 1')
    const before = textsOf(root)
    const { code, out, errors } = await adopt('--json')
    expect(code).toBe(TROUBLE)
    expect(JSON.parse(out)).toMatchObject({
      ...{ applied: true, installed: false, next: NEXT },
      trouble: 'npm install did not install media-credits',
    })
    expect(errors).toContain(`Then run: ${NEXT.join(' && ')}`)
    expect(textsOf(root)).not.toEqual(before)
    say(WORKS)
    const changed = textsOf(root)
    const again = await adopt('--json')
    expect(JSON.parse(again.out)).toMatchObject({ applied: true, changes: [], installed: true })
    expect(textsOf(root)).toEqual(changed)
    const last = await adopt()
    expect({ code: last.code, out: last.out }).toEqual({
      code: 0,
      out: expect.stringMatching(/Nothing to change\.$/),
    })
  })

  test('that brings tsc leaves open whether its errors are old or new', async () => {
    const { root, adopt } = appWith(`${WORKS}
mkdir node_modules/typescript
echo '{ "name": "typescript", "bin": { "tsc": "tsc.js" } }' > node_modules/typescript/package.json
echo 'console.log("a.ts(1,2): error TS1: no"); process.exit(2)' > node_modules/typescript/tsc.js`)
    fs.rmSync(path.join(root, 'node_modules'), { recursive: true })
    fs.writeFileSync(path.join(root, 'tsconfig.json'), '{}')
    commit(root)
    const { code, out } = await adopt('--json')
    const newErrors = [{ path: 'a.ts', line: 1, message: 'error TS1: no' }]
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ installed: true, isCompared: false, newErrors, knownErrors: 0 })
  })

  test('that lets tsc check the types leaves open whether its errors are old or new', async () => {
    const { root, adopt } = appWith(`${WORKS}
echo 'console.log("a.ts(1,2): error TS1: no"); process.exit(2)' > node_modules/typescript/tsc.js`)
    const place = path.join(root, 'node_modules/typescript')
    fs.rmSync(place)
    fs.mkdirSync(place)
    fs.writeFileSync(path.join(place, 'package.json'), '{ "name": "typescript", "bin": { "tsc": "tsc.js" } }')
    fs.writeFileSync(path.join(place, 'tsc.js'), "console.log('error TS2: no'); process.exit(2)")
    fs.writeFileSync(path.join(root, 'tsconfig.json'), '{}')
    commit(root)
    const { out } = await adopt()
    expect(out).toContain('tsc: 1 error; it did not check the types before the change')
  })

  test('that leaves tsc stopping at an option says that the types are not checked', async () => {
    const { root, adopt } = appWith(WORKS)
    fs.writeFileSync(
      path.join(root, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { declaration: false, declarationMap: true },
        files: ['src/core/db/index.ts'],
      }),
    )
    commit(root)
    const { code, out } = await adopt()
    expect(code).toBe(1)
    expect(out).toContain(
      'tsc did not check the types. Correct what it stopped at, then run npx tsc --noEmit:',
    )
    expect(out).toMatch(/^ {2}tsconfig\.json:1: error TS5069: /m)
    expect(out).not.toContain('new error')
  })
})

describe('tsc', () => {
  /** The errors of a `tsc` that is this script. */
  function found(script) {
    const root = folderOf({
      'tsconfig.json': '{}',
      'node_modules/typescript/package.json': '{ "name": "typescript", "bin": { "tsc": "tsc.js" } }',
      'node_modules/typescript/tsc.js': script,
    })
    return errorsOf(new App(root))
  }

  test.each([
    ['finds nothing', 'process.exit(0)', []],
    [
      'finds an error',
      "console.log('a.ts(1,2): error TS1: no'); process.exit(2)",
      [{ path: 'a.ts', line: 1, message: 'error TS1: no' }],
    ],
    [
      'breaks',
      "console.error('out of memory'); process.exit(134)",
      [{ message: 'tsc ended with 134: out of memory', isBroken: true }],
    ],
    [
      'stops at an option',
      "console.log('tsconfig.json(3,5): error TS5101: no\\nerror TS2: no'); process.exit(2)",
      [
        { path: 'tsconfig.json', line: 3, message: 'error TS5101: no', isBroken: true },
        { message: 'error TS2: no', isBroken: true },
      ],
    ],
    [
      'finds an error beside one of an option',
      "console.log('error TS2: no\\na.ts(1,2): error TS1: no'); process.exit(2)",
      [{ message: 'error TS2: no' }, { path: 'a.ts', line: 1, message: 'error TS1: no' }],
    ],
    ['fails without a message', 'process.exit(1)', [{ message: 'tsc ended with 1', isBroken: true }]],
  ])('that %s', (_, script, expected) => {
    expect(found(script)).toEqual(expected)
  })

  test.each(
    ['typescript', 'typescript-7'].flatMap((compiler) => [
      [compiler, { composite: true }],
      [compiler, { incremental: true, tsBuildInfoFile: 'own.tsbuildinfo' }],
      [compiler, {}],
    ]),
  )('of %s checks the types and writes nothing with %j', (compiler, options) => {
    const root = folderOf({
      'tsconfig.json': JSON.stringify({ extends: './base.json', files: ['a.ts'] }),
      'base.json': JSON.stringify({ compilerOptions: { ...options, lib: ['ES2022'], types: [] } }),
      'a.ts': "export const a: number = 'text';\n",
    })
    link(root, [['typescript', compiler]])
    const before = textsOf(root)
    expect(errorsOf(new App(root))).toEqual([
      { path: 'a.ts', line: 1, message: expect.stringMatching(/^error TS2322:/) },
    ])
    expect(textsOf(root)).toEqual(before)
  })

  test('that also failed before the change is not compared', () => {
    const broken = found('process.exit(1)')
    expect(newErrors(broken, broken)).toEqual(broken)
  })
})
