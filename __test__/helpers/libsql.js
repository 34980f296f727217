'use strict'

/** `@libsql/client` in the versions that apps have: that of ShipAny Two, and today's. By version, its module. */
const LIBSQL = {
  0.15: require.resolve('libsql-client-0.15'),
  0.18: require.resolve('@libsql/client'),
}

module.exports = { LIBSQL }
