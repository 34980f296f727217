'use strict'

/** For Jest: looks for the server of the project `libsql`. Without one its tests are skipped, with the reason. */

const { install } = require('../../scripts/sqld')

module.exports = async function setup() {
  const found = await install().then(
    (binary) => ({ binary }),
    ({ message: reason }) => ({ reason }),
  )
  process.env.MEDIA_CREDITS_TEST_SQLD = JSON.stringify(found)
}
