'use strict'

/** For Jest: undoes `postgres.setup.js`. */

module.exports = () => globalThis.stopTestPostgres()
