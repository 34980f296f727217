'use strict'

/** The exports of this package. These modules pass calls on; the rules of the ledger are in src/domain/. */

const { grantsFor, ...models } = require('./app-models.js')
const { newConnection, publish } = require('./connection.js')
const { MediaCreditsError } = require('./errors.js')
const { snapshot } = require('./fields.js')

/** A connection. Its functions work without it: `const { createMediaTask } = connect()`. */
class MediaCredits {
  /** Use `connect()`. */
  constructor(connection) {
    publish(this, () => connection)
  }
}

function connect(options = {}) {
  return new MediaCredits(newConnection(connect, snapshot(options)))
}

let defaultConnection

module.exports = {
  connect,
  MediaCredits,
  MediaCreditsError,
  ...models,
  // On the default connection, with the app's own names.
  ...publish({}, () => (defaultConnection ??= newConnection(newConnection, {}))),
}
