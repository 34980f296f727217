'use strict'

/** Jest's own: where a server is missing, the global ones skip (`skipAll`). */
const { describe: original, test: originalTest } = globalThis

/** Within how many blocks we are that are skipped, and say so. */
let depth = 0

/** `tests`, which need not say again why they are skipped. */
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

/** What registers what is skipped, with its reason in the title; `wrap` is for its function. */
function skipping(register, reason, wrap = (work) => work) {
  const because = (title) => (depth > 0 ? title : `${title} (skipped: ${reason})`)
  const skip = (title, work, ...rest) => register.skip(because(title), wrap(work), ...rest)
  const each =
    (...table) =>
    (title, work, ...rest) =>
      register.skip.each(...table)(because(title), wrap(work), ...rest)
  return Object.assign(skip, { skip: Object.assign((...args) => skip(...args), { each }), each })
}

/** `describe`, or where these tests can't run one that skips them and says why. */
const describeIf = (canRun, reason) => (canRun ? original : skipping(original, reason, within))

/** From now on this file skips all that it has, for this reason. */
function skipAll(reason) {
  globalThis.describe = skipping(original, reason, within)
  globalThis.test = skipping(originalTest, reason)
}

/** For what looks into /proc. */
const describeOnLinux = describeIf(
  process.platform === 'linux',
  `this is ${process.platform}, they take Linux`,
)

module.exports = { describeIf, describeOnLinux, skipAll }
