'use strict'

/** Holds the write lock of a file, with the app's own client, until it is killed. */

const { createClient } = require('@libsql/client')

const client = createClient({ url: `file:${process.argv[2]}` })
client.transaction('write').then(() => {
  console.log('held')
  setInterval(() => {}, 1000)
})
