'use strict'

/** What `adopt` does not do, with the place and what to do instead. Nothing is written then. */
class AdoptError extends Error {
  constructor(message) {
    super(message)
    this.code = 'CANNOT_ADOPT'
  }
}

module.exports = { AdoptError }
