'use strict'

/** libSQL servers that demand tokens, and the tokens. */

const { generateKeyPairSync, sign } = require('node:crypto')
const { TestDatabase } = require('./database')
const { Store } = require('./sqld')

const HOUR_S = 3600

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A database whose server demands a token, and a function that makes tokens: by default for an hour, to read and write. */
async function withTokens() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const token = (claims) => {
    const exp = Math.floor(Date.now() / 1000) + HOUR_S
    const text = `${encoded({ alg: 'EdDSA', typ: 'JWT' })}.${encoded({ a: 'rw', exp, ...claims })}`
    return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
  }
  const authToken = token()
  const pem = publicKey.export({ type: 'spki', format: 'pem' })
  const database = new TestDatabase(await Store.open('tables', { publicKey: pem, authToken }), { authToken })
  return { database, token }
}

module.exports = { HOUR_S, withTokens }
