'use strict'

/** What apps get of this package. These modules pass calls on: what the ledger does is decided in src/domain/. */

const { grantsFor, ...models } = require('./app-models.js')
const { newConnection, publish } = require('./connection.js')
const { MediaCreditsError } = require('./errors.js')
const { snapshot } = require('./fields.js')

/** A connection. Its functions may be taken off it: `const { createMediaTask } = connect()`. */
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
  // On the default connection, under the app's own names.
  ...publish({}, () => (defaultConnection ??= newConnection(newConnection, {}))),
}
