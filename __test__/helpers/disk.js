'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

/** Only root may mount. On a CI machine `sudo` needs no password; it is not tried elsewhere. */
const SUDO = process.env.CI && process.getuid?.() !== 0 ? ['sudo', '--non-interactive'] : []

function asRoot(...command) {
  const [program, ...args] = [...SUDO, ...command]
  execFileSync(program, args, { stdio: 'ignore' })
}

/** Mounts a separate file system on a folder, as in `mount('size=16m', folder)`. Throws if this is forbidden. */
const mount = (options, folder) => asRoot('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder)

/** Makes a mounted file system larger or smaller. */
const resize = (size, folder) => asRoot('mount', '-o', `remount,size=${size}`, folder)

/** Makes a mounted file system read-only. */
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
