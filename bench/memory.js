'use strict'

/**
 * Whether memory grows under load: createMediaTask and failing updates from 64 callers, with the
 * resident size printed as time goes on.
 *
 *   node bench/memory.js [seconds]
 */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { connect } = require('..')

const CALLERS = 64
const USERS = 200
const SAMPLES = 6

async function main() {
  const seconds = Number(process.argv[2] ?? 120)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-memory-'))
  const credits = connect({ url: `file:${folder}/local.db` })
  try {
    await seed(credits, `${folder}/local.db`)
    await load(credits, seconds)
  } finally {
    await credits.close()
    fs.rmSync(folder, { recursive: true })
  }
}

async function seed(credits, file) {
  await credits.createTables()
  const { createClient } = require('@libsql/client')
  const client = createClient({ url: `file:${file}` })
  const users = Array.from({ length: USERS }, (_, at) => `('u${at}', 'u', '${at}@example.test')`)
  await client.execute(`INSERT INTO user (id, name, email) VALUES ${users}`)
  client.close()
  const grants = Array.from({ length: USERS }, (_, at) => ({ userId: `u${at}`, credits: 2_000_000_000 }))
  await Promise.all(grants.map((grant) => credits.createCredit(grant)))
}

async function load(credits, seconds) {
  const began = Date.now()
  const ends = began + seconds * 1000
  let done = 0
  const caller = async (number) => {
    for (let at = 0; Date.now() < ends; at++) {
      const id = `${number}-${at}`
      const userId = `u${(number * 7 + at) % USERS}`
      await credits.createMediaTask(
        { id, userId, platform: 'youtube', videoUrl: `https://youtu.be/${id}` },
        10,
      )
      if (at % 4 === 0) await credits.updateMediaTaskById(id, { status: 'failed' })
      done++
    }
  }
  const print = () => {
    const { rss, heapUsed } = process.memoryUsage()
    const mib = (bytes) => Math.round(bytes / 2 ** 20)
    console.log(
      `${Math.round((Date.now() - began) / 1000)} s: ${done} tasks, RSS ${mib(rss)} MiB, heap ${mib(heapUsed)} MiB`,
    )
  }
  const timer = setInterval(print, (seconds * 1000) / SAMPLES)
  await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)))
  clearInterval(timer)
  print()
}

main()
