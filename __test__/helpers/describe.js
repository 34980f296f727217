'use strict'

/** Jest's own: where a server is missing, the global one skips (`sqld.js`). */
const { describe: original } = globalThis

/** `describe`, or where these tests can't run one that skips them and says why. */
function describeIf(canRun, reason) {
  if (canRun) return original
  const because = (title) => `${title} (skipped: ${reason})`
  const skip = (title, tests) => original.skip(because(title), tests)
  return Object.assign(skip, {
    skip,
    each: (table) => (title, tests) => original.skip.each(table)(because(title), tests),
  })
}

/** For what looks into /proc. */
const describeOnLinux = describeIf(
  process.platform === 'linux',
  `this is ${process.platform}, they take Linux`,
)

module.exports = { describeIf, describeOnLinux }
