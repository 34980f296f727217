'use strict'

/** The exit codes of commands, for scripts. */
module.exports = {
  /** Done, without findings. */
  DONE: 0,
  /** Something was found that an operator should check. */
  FOUND: 1,
  /** Usage error. */
  MISUSED: 2,
  /** The command failed. */
  TROUBLE: 3,
}
