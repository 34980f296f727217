'use strict'

/** How a command ends, for the scripts that call it. */
module.exports = {
  /** Done, and nothing is wrong. */
  DONE: 0,
  /** Something was found that an operator should look at. */
  FOUND: 1,
  /** Usage error. */
  MISUSED: 2,
  /** It could not be done. */
  TROUBLE: 3,
}
