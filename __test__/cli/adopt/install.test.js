'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../../package.json')
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
    return { root, say, adopt: (...words) => cli(['adopt', '--apply', ...words], { cwd: root, env }) }
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
})

describe('tsc', () => {
  /** The errors of a `tsc` that is this script. */
  function found(script) {
    const root = folderOf({
      'tsconfig.json': '{}',
      'node_modules/typescript/package.json': '{ "name": "typescript", "bin": { "tsc": "tsc.js" } }',
      'node_modules/typescript/tsc.js': script,
    })
    return errorsOf({ root, has: (file) => fs.existsSync(path.join(root, file)) })
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
    ['fails without a message', 'process.exit(1)', [{ message: 'tsc ended with 1', isBroken: true }]],
  ])('that %s', (_, script, expected) => {
    expect(found(script)).toEqual(expected)
  })

  test('that also failed before the change is not compared', () => {
    const broken = found('process.exit(1)')
    expect(newErrors(broken, broken)).toEqual(broken)
  })
})
