'use strict'

/** better-sqlite3 as an app on this Node has it: version 13 needs Node 22, and ends an older one with a SIGSEGV. */

const [major] = process.versions.node.split('.').map(Number)

module.exports = require(major >= 22 ? 'better-sqlite3-13' : 'better-sqlite3')
