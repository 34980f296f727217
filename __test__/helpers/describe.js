'use strict'

/** `describe`, or where these tests can't run one that skips them and says why. */
const describeIf = (canRun, reason) =>
  canRun ? describe : (title, tests) => describe.skip(`${title} (skipped: ${reason})`, tests)

/** For what looks into /proc. */
const describeOnLinux = describeIf(
  process.platform === 'linux',
  `this is ${process.platform}, they take Linux`,
)

module.exports = { describeIf, describeOnLinux }
