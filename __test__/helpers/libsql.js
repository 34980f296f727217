'use strict'

/** `@libsql/client` in the versions of apps: that of ShipAny Two, and the current one. Modules by version. */
const LIBSQL = {
  0.15: require.resolve('libsql-client-0.15'),
  0.18: require.resolve('@libsql/client'),
}

module.exports = { LIBSQL }
