'use strict'

const { execFileSync } = require('node:child_process')

/** Only root may mount. On a CI machine whose user is not, `sudo` asks for no password; nowhere else is it tried. */
const SUDO = process.env.CI && process.getuid?.() !== 0 ? ['sudo', '--non-interactive'] : []

function asRoot(...command) {
  const [program, ...args] = [...SUDO, ...command]
  execFileSync(program, args, { stdio: 'ignore' })
}

/** Mounts a file system of its own on a folder, as in `mount('size=16m', folder)`. Throws where that is forbidden. */
const mount = (options, folder) => asRoot('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder)

/** Makes a mounted file system larger or smaller. */
const resize = (size, folder) => asRoot('mount', '-o', `remount,size=${size}`, folder)

const unmount = (folder) => asRoot('umount', '--lazy', folder)

module.exports = { mount, resize, unmount }
