'use strict'

/** Detects when SQLite copies pages from the write-ahead log back into the database file. */

const fs = require('node:fs')

/**
 * Follows the checkpoints of a process that has the file open already. `isUnderWay()` says whether
 * one has written to the file and is not done; after a `kill -9`, whether it was not done. `nothingIsLeft()` says whether
 * all of the log is back in the file.
 *
 * In WAL mode only a checkpoint writes to the database file. The log's index alone proves nothing:
 * a process that recovers it after a crash leaves it as if a checkpoint had just begun.
 */
function watchCheckpoint(file) {
  const lastWrite = () => fs.statSync(file, { bigint: true }).mtimeNs
  const before = lastWrite()
  return {
    isUnderWay() {
      if (lastWrite() === before) return false
      const { frames, putBack, attempted } = readLogIndex(file)
      return putBack < attempted && putBack < frames
    },
    nothingIsLeft() {
      const { frames, putBack } = readLogIndex(file)
      return putBack === frames
    },
  }
}

/**
 * How many frames the log has, how many of them a checkpoint has written back, and how many the last
 * one began to write back. The numbers are in the machine's own byte order, at the place that
 * https://sqlite.org/walformat.html#the_wal_index_file_format says.
 */
function readLogIndex(file) {
  const index = new Uint32Array(33)
  const descriptor = fs.openSync(`${file}-shm`)
  try {
    fs.readSync(descriptor, index, { position: 0 })
  } finally {
    // This drops the POSIX locks that the process has on the file: an app must not do it, Jest has none.
    fs.closeSync(descriptor)
  }
  return { frames: index[4], putBack: index[24], attempted: index[32] }
}

module.exports = { watchCheckpoint }
