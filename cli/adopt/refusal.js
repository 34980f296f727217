'use strict'

/** Something that `adopt` can't do, with its place and advice. Nothing is written then. */
class AdoptError extends Error {
  constructor(message) {
    super(message)
    this.code = 'CANNOT_ADOPT'
  }
}

module.exports = { AdoptError }
