'use strict'

/** This package. */

const { connect } = require('../..')
const { COST } = require('../work')

async function open({ file, durability }) {
  const credits = connect({ url: `file:${file}`, durability })
  return {
    createTask: (task) => credits.createMediaTask(task, COST),
    settings: async () => {
      const { journalMode, sqliteVersion } = await credits.getDiagnostics()
      return { journalMode, sqliteVersion }
    },
    close: () => credits.close(),
  }
}

module.exports = { open }
