'use strict'

/** Jest's own functions: if a server is missing, the global ones skip (`skipAll`). */
const { describe: original, test: originalTest } = globalThis

/** The number of skipped blocks around, which have the reason in their title. */
let depth = 0

/** `tests` without the reason, which the block around them has. */
const within =
  (tests) =>
  (...args) => {
    depth++
    try {
      tests(...args)
    } finally {
      depth--
    }
  }

/** Registers a skipped test or block, with the reason in the title; `wrap` is for its function. */
function skipping(register, reason, wrap = (work) => work) {
  const because = (title) => (depth > 0 ? title : `${title} (skipped: ${reason})`)
  const skip = (title, work, ...rest) => register.skip(because(title), wrap(work), ...rest)
  const each =
    (...table) =>
    (title, work, ...rest) =>
      register.skip.each(...table)(because(title), wrap(work), ...rest)
  return Object.assign(skip, { skip: Object.assign((...args) => skip(...args), { each }), each })
}

/** Registers no test: not one that is skipped, which CI would report. */
const nothing = Object.assign(() => {}, { each: () => nothing, skip: () => {} })

/** `describe`, or one that skips these tests with the reason if they can't run. */
const describeIf = (canRun, reason) => (canRun ? original : skipping(original, reason, within))

/** From now on this file skips all its tests, for this reason. */
function skipAll(reason) {
  globalThis.describe = skipping(original, reason, within)
  globalThis.test = skipping(originalTest, reason)
}

/** For tests that read /proc. */
const describeOnLinux = describeIf(
  process.platform === 'linux',
  `this is ${process.platform}, they take Linux`,
)

module.exports = { describeIf, describeOnLinux, nothing, skipAll }
