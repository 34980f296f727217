'use strict'

/**
 * A test that a failover loses nothing and doubles nothing, on two clusters: PostgreSQL under Patroni (`postgres.js`),
 * and MariaDB under Galera (`galera.js`).
 *
 * npm run failover                    every scenario once
 * npm run failover -- --only switch   those whose title has this text
 * npm run failover -- --only Galera
 * npm run failover -- --rounds 3
 *
 * Linux.
 */

const { parseArgs } = require('node:util')
const { onGalera } = require('./galera')
const { onPatroni } = require('./postgres')

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, rounds: { type: 'string', default: '1' } },
})

async function main() {
  const chosen = { only: values.only, rounds: Number(values.rounds) }
  const bad = (await onPatroni(chosen)) + (await onGalera(chosen))
  process.exitCode = bad ? 1 : 0
}

main()
