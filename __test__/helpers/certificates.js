'use strict'

/** Self-signed certificates, made by openssl. */

const { execFileSync, spawnSync } = require('node:child_process')
const path = require('node:path')
const { describeIf } = require('./describe')

const isThere = spawnSync('openssl', ['version']).status === 0
const describeWithOpenssl = describeIf(isThere, 'it takes openssl on the PATH to make a certificate')

/** Makes `<name>.crt` and `<name>.key` for a host. */
function makeCertificate(folder, name, host) {
  const file = (ending) => path.join(folder, `${name}.${ending}`)
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  args.push('-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`)
  args.push('-addext', 'basicConstraints=critical,CA:FALSE')
  execFileSync('openssl', [...args, '-keyout', file('key'), '-out', file('crt')], { stdio: 'ignore' })
  return { cert: file('crt'), key: file('key') }
}

module.exports = { describeWithOpenssl, makeCertificate }
