'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

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

/** Lets nothing be written to a mounted file system any more. */
const makeReadOnly = (folder) => asRoot('mount', '-o', 'remount,ro', folder)

const unmount = (folder) => asRoot('umount', '--lazy', folder)

const emptyFolder = () => fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-disk-'))

function mountable() {
  const folder = emptyFolder()
  try {
    mount('size=16m', folder)
    unmount(folder)
    return true
  } catch {
    return false
  } finally {
    fs.rmdirSync(folder)
  }
}

/** Why a test of disks is skipped, as a part of its title; empty if it is not. */
const NO_DISK = mountable() ? '' : ' (skipped: no file system can be mounted here, which needs root)'

module.exports = { NO_DISK, emptyFolder, makeReadOnly, mount, resize, unmount }
