'use strict'

/** For Jest: undoes `mysql.setup.js`. */

module.exports = () => globalThis.stopTestMysql()
