'use strict'

/**
 * better-sqlite3 in the version that runs on this Node: version 13 needs Node 22, and crashes an older one with
 * SIGSEGV.
 */

const [major] = process.versions.node.split('.').map(Number)

module.exports = require(major >= 22 ? 'better-sqlite3-13' : 'better-sqlite3')
