'use strict'

/** Servers of libSQL for the tests, each with an empty database. */

const { start } = require('../../scripts/sqld')
const { describeIf } = require('./describe')

const { binary, reason } = JSON.parse(process.env.MEDIA_CREDITS_TEST_SQLD)

/** Starts one: its `url`, and `stop()`. */
const startSqld = () => start(binary)

/** `describe` for tests that need one. */
const describeWithSqld = describeIf(binary, reason)

module.exports = { describeWithSqld, startSqld }
