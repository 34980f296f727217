'use strict'

/**
 * Creates the packages to publish, in `npm/`: one for each platform's binary, and the main package, which has them
 * as optional dependencies. The repository's own package.json does not: `npm ci` would look for them before they
 * are published.
 *
 * node scripts/platform-packages.js <folder of the binaries> [--into folder] [--some]
 *
 * A release has every platform; `--some` accepts those that exist.
 */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { platforms } = require('../lib/native/platforms')

const ROOT = path.join(__dirname, '..')
const manifest = require('../package.json')

const binary = (name) => `${manifest.name}.${name}.node`
const scoped = (name) => `@${manifest.name}/${name}`

function main() {
  const { values, positionals } = parseArgs({
    options: { into: { type: 'string', default: path.join(ROOT, 'npm') }, some: { type: 'boolean' } },
    allowPositionals: true,
  })
  if (positionals.length !== 1) throw new Error('the folder of the binaries is missing')
  const [binaries] = positionals
  const there = Object.keys(platforms).filter((name) => fs.existsSync(path.join(binaries, binary(name))))
  const missing = Object.keys(platforms).filter((name) => !there.includes(name))
  if (!there.length || (missing.length && !values.some)) {
    throw new Error(`${binaries} lacks ${missing.map(binary).join(', ')}`)
  }
  fs.rmSync(values.into, { recursive: true, force: true })
  for (const name of there) platformPackage(path.join(values.into, name), name, binaries)
  mainPackage(path.join(values.into, manifest.name), there)
  console.log(`${values.into} has ${manifest.name} ${manifest.version} for ${there.join(', ')}`)
}

function platformPackage(folder, name, binaries) {
  const { os, cpu, libc } = platforms[name]
  const { version, license, engines } = manifest
  writePackage(folder, {
    name: scoped(name),
    version,
    description: `The binary of ${manifest.name} for ${name}`,
    license,
    ...repository(),
    main: binary(name),
    files: [binary(name)],
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    engines,
    publishConfig: { access: 'public' },
  })
  fs.copyFileSync(path.join(binaries, binary(name)), path.join(folder, binary(name)))
  fs.copyFileSync(path.join(ROOT, 'LICENSE'), path.join(folder, 'LICENSE'))
  fs.writeFileSync(
    path.join(folder, 'README.md'),
    `# ${scoped(name)}\n\nThe native addon of \`${manifest.name}\` for ${name}, which installs it by itself.\n`,
  )
}

/** The files that `npm pack` includes, without binaries, scripts and development files. */
function mainPackage(folder, there) {
  // Without a shell, Windows does not find `npm`; no argument needs quotes.
  const listed = execFileSync('npm pack --dry-run --json --ignore-scripts', {
    cwd: ROOT,
    encoding: 'utf8',
    shell: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  // A list of packages, or since npm 12 an object with the packages by name.
  const [{ files }] = Object.values(JSON.parse(listed))
  for (const { path: file } of files.filter(({ path: file }) => !file.endsWith('.node'))) {
    fs.cpSync(path.join(ROOT, file), path.join(folder, file))
  }
  const { scripts, devDependencies, overrides, ...published } = manifest
  writePackage(folder, {
    ...published,
    ...repository(),
    files: manifest.files.filter((file) => file !== '*.node'),
    optionalDependencies: Object.fromEntries(there.map((name) => [scoped(name), manifest.version])),
  })
}

/** The repository of a package, as its provenance proves it. GitHub's runners set it. */
function repository() {
  const { GITHUB_REPOSITORY, GITHUB_SERVER_URL } = process.env
  if (!GITHUB_REPOSITORY) return {}
  return { repository: { type: 'git', url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } }
}

function writePackage(folder, content) {
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}

try {
  main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
