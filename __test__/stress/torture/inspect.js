'use strict'

/**
 * Checks a file in a separate process after all writers have ended, and prints the errors of
 * it as a JSON array of sentences.
 *
 * node inspect.js <file> <file with what was told>
 */

const fs = require('node:fs')
const { createClient } = require('@libsql/client')
const { violations } = require('../../helpers/invariants')

const [file, told] = process.argv.slice(2)
const client = createClient({ url: `file:${file}`, intMode: 'number' })
const rows = async (sql) => (await client.execute(sql)).rows

async function inspect() {
  const integrity = await rows('PRAGMA integrity_check')
  if (integrity[0].integrity_check !== 'ok')
    return integrity.slice(0, 3).map((row) => `integrity: ${row.integrity_check}`)

  const lines = fs.readFileSync(told, 'utf8').split('\n').filter(Boolean)
  const said = (what) =>
    lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1))
  const tasks = new Map(
    (await rows('SELECT id, status, credit_id FROM media_tasks')).map((task) => [task.id, task]),
  )
  const grants = new Set((await rows("SELECT id FROM credit WHERE user_id = 'counter'")).map(({ id }) => id))
  const [{ counted }] = await rows("SELECT free_trial_used AS counted FROM user WHERE id = 'counter'")

  const lost = (what, isThere) => said(what).filter((id) => !isThere(id))
  const findings = [
    ...said('error'),
    ...lost('task', (id) => tasks.get(id)?.credit_id).map((id) => `lost: task ${id}`),
    ...lost('failed', (id) => tasks.get(id)?.status === 'failed').map((id) => `lost: failure of ${id}`),
    ...lost('grant', (id) => grants.has(id)).map((id) => `lost: grant ${id}`),
  ]
  if (counted !== grants.size) findings.push(`${grants.size} grants, but the counter says ${counted}`)
  const everything = async () => ({
    credit: await rows('SELECT * FROM credit'),
    media_tasks: await rows('SELECT * FROM media_tasks'),
  })
  return [...findings, ...(await violations({ everything }))]
}

inspect()
  .catch((error) => [`can't be read: ${error.message}`])
  .then((findings) => console.log(JSON.stringify(findings.slice(0, 20))))
