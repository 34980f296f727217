'use strict'

/** This package: over SQLite with `file` and `durability`, over a server with `url` and `poolSize`. */

const { connect } = require('../..')
const { COST } = require('../work')

async function open({ file, url = `file:${file}`, durability, poolSize }) {
  const credits = connect({ url, durability, maxConnections: poolSize })
  return {
    createTask: (task) => credits.createMediaTask(task, COST),
    settings: () => credits.getDiagnostics(),
    close: () => credits.close(),
  }
}

module.exports = { open }
