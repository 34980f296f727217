'use strict'

/** HAProxy in front of the cluster, which sends connections to the node that Patroni reports as the primary. */

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { freePort } = require('../../../scripts/test-postgres')

const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']
const binary = folders.map((folder) => path.join(folder, 'haproxy')).find((file) => fs.existsSync(file))

/** Starts one, if this machine has it. Returns its address. It ends with the cluster. */
async function startHaproxy({ folder, nodes, account }) {
  if (!binary) return undefined
  const address = `127.0.0.1:${await freePort()}`
  const servers = nodes.map(({ name, listen }) => {
    const [host, port] = listen.rest.split(':')
    return `  server ${name} ${listen.sql} check addr ${host} port ${port}`
  })
  const config = `
defaults
  mode tcp
  timeout connect 2s
  timeout check 1s
  timeout client 60s
  timeout server 60s
listen primary
  bind ${address}
  option httpchk
  http-check send meth OPTIONS uri /primary
  http-check expect status 200
  default-server inter 500 fall 2 rise 1 on-marked-down shutdown-sessions
${servers.join('\n')}
`
  const file = path.join(folder, 'haproxy.cfg')
  fs.writeFileSync(file, config)
  const child = spawn(binary, ['-db', '-f', file], {
    cwd: folder,
    detached: true,
    stdio: 'ignore',
    ...account,
  })
  fs.writeFileSync(path.join(folder, 'haproxy.pid'), String(child.pid))
  child.unref()
  return address
}

module.exports = { startHaproxy }
