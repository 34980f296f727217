'use strict'

/** A skipped test has the reason in its title, in each kind of block. */

const path = require('node:path')
const { runJest } = require('../helpers/jest')

const TESTS = `
  const { describeIf, skipAll } = require(${JSON.stringify(path.join(__dirname, '../helpers/describe'))})
  const fails = () => { throw new Error('it runs') }
  const own = describeIf(false, 'no own')
  const runs = describeIf(true, 'not said')
  test('what comes before runs', () => {})
  skipAll('no server')
  test('alone', fails)
  test.each([1, 2])('row %d', fails)
  test.skip('left out', fails)
  describe('block', () => {
    test('one', fails)
    test.each([3])('row %d', fails)
    describe.each(['x'])('inner %s', () => test('two', fails))
  })
  describe.each(['y'])('block %s', (y) => test('has ' + y, fails))
  own('block of its own', () => test('three', fails))
  test('after them', fails)
  runs('block that runs', () => test('four', fails))`

const SAID = `
  ✓ what comes before runs
  ○ skipped alone (skipped: no server)
  ○ skipped row 1 (skipped: no server)
  ○ skipped row 2 (skipped: no server)
  ○ skipped left out (skipped: no server)
  ○ skipped after them (skipped: no server)
  block (skipped: no server)
    ○ skipped one
    ○ skipped row 3
    inner x
      ○ skipped two
  block y (skipped: no server)
    ○ skipped has y
  block of its own (skipped: no own)
    ○ skipped three
  block that runs
    ○ skipped four (skipped: no server)
`

test('all tests of a file that can not run are skipped, each with the reason once in its title', () => {
  const { status, stderr } = runJest({ skipped: TESTS }, { args: ['--verbose'] })
  const said = stderr
    .split('\n')
    .filter((line) => line.startsWith(' '))
    .join('\n')
    .replaceAll(/ \(\d+ ms\)/g, '')
  expect(`\n${said}\n`).toBe(SAID)
  expect(status).toBe(0)
})
