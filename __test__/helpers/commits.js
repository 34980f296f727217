'use strict'

/** For tests in which a connection breaks while it commits: calls, and what becomes of their COMMIT. */

const { task } = require('./database')
const { isCommit } = require('./network')

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE', retryable: true }
const UNKNOWN = { code: 'OUTCOME_UNKNOWN', retryable: false }

const GRANT = { userId: 'u0', credits: 5, transactionNo: 'n' }
const CHARGE = { userId: 'u0', credits: 150, transactionNo: 'n' }

/** A call that inserts a row, and how to see whether it is there. */
const INSERTS = [
  [
    'createMediaTask',
    ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 150),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'createMediaTask without a cost',
    ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 0),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'createMediaTask with a charge that is there',
    ({ createMediaTask }, creditId) => createMediaTask(task('new', 'u0', { creditId }), 0),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'consumeCredits',
    ({ consumeCredits }) => consumeCredits(CHARGE),
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
  [
    'createCredit',
    ({ createCredit }) => createCredit(GRANT),
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
]

/** Whether the server says that it is ready, and in no transaction: that comes after the COMMIT. */
const isIdle = (bytes) => bytes.includes('Z\0\0\0\x05I')

/** Does something with the next COMMIT of a transaction that has written. */
function atCommit(proxy, act) {
  proxy.onClientData = (bytes, connection) => {
    if (!isCommit(bytes) || bytes.includes('READ ONLY')) return true
    proxy.onClientData = () => {}
    return act(bytes, connection)
  }
}

/** The server has committed, and its answer is lost. */
const gotThrough = (_, connection) => connection.loseAnswer(isIdle)

/** The server has not heard of the COMMIT. */
const wasLost = (_, connection) => {
  connection.kill()
  return false
}

/** The next message of a client gets through, and its answer is lost. */
function loseNextAnswer(proxy) {
  proxy.onClientData = (_, connection) => {
    proxy.onClientData = () => {}
    connection.loseAnswer()
  }
}

module.exports = { INSERTS, UNAVAILABLE, UNKNOWN, atCommit, gotThrough, loseNextAnswer, wasLost }
