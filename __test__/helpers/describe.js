'use strict'

/** `describe`, or where these tests can't run one that skips them and says why. */
function describeIf(canRun, reason) {
  if (canRun) return describe
  const because = (title) => `${title} (skipped: ${reason})`
  const skip = (title, tests) => describe.skip(because(title), tests)
  return Object.assign(skip, {
    each: (table) => (title, tests) => describe.skip.each(table)(because(title), tests),
  })
}

/** For what looks into /proc. */
const describeOnLinux = describeIf(
  process.platform === 'linux',
  `this is ${process.platform}, they take Linux`,
)

module.exports = { describeIf, describeOnLinux }
