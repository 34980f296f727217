'use strict'

/** Compares the results of callers with the rows in the database. */

const { violations } = require('../../helpers/invariants')
const mysql = require('../../helpers/mysql')
const postgres = require('../../helpers/postgres')

/** Reads the ledger of a database. */
async function read(url) {
  const { Store } = url.startsWith('mysql:') ? mysql : postgres
  const store = new Store('', url)
  try {
    return await store.snapshot({ credit: '*', media_tasks: '*' })
  } finally {
    await store.disconnect()
  }
}

/** How often the effect of each call is in the database. */
function count({ credit, media_tasks: tasks }) {
  const counts = new Map()
  const add = (what, id) => counts.set(`${what} ${id}`, (counts.get(`${what} ${id}`) ?? 0) + 1)
  for (const { transaction_no: number, status, metadata } of credit) {
    if (number.startsWith('grant-')) add('granted', number.slice('grant-'.length))
    if (number.startsWith('charge-')) {
      add('charged', number.slice('charge-'.length))
      if (status === 'deleted') add('refunded', number.slice('charge-'.length))
    }
    const { taskId } = JSON.parse(metadata || '{}')
    // A task without its charge, or with two, does not count as written once.
    if (taskId) add('created', taskId)
  }
  for (const { id, status, credit_id: charge } of tasks) {
    if (!charge) counts.delete(`created ${id}`)
    if (status === 'failed') add('failed', id)
  }
  return counts
}

/** The final outcome of each call: a caller that retries after `unknown` knows it only after success. */
function outcomes(told) {
  const all = new Map()
  for (const { what, id, outcome } of told) {
    if (what === 'read') continue
    const key = `${what} ${id}`
    if (outcome === 'done' || all.get(key) !== 'unknown') all.set(key, outcome)
  }
  return all
}

/**
 * The errors: acknowledged calls without an effect, calls that were written twice, refused calls that were written
 * anyway, and violations of the invariants. `told` are the lines of `load.js`.
 */
async function inspect(url, told) {
  const ledger = await read(url)
  const counts = count(ledger)
  const broken = await violations({ everything: () => ledger })
  const found = { lost: [], doubled: [], unasked: [], broken }
  for (const [key, outcome] of outcomes(told)) {
    const times = counts.get(key) ?? 0
    if (times > 1) found.doubled.push(key)
    if (times === 0 && outcome === 'done') found.lost.push(key)
    if (times > 0 && outcome === 'refused') found.unasked.push(key)
  }
  return found
}

module.exports = { inspect }
