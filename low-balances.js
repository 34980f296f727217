'use strict'

/**
 * Notices that charges of a connection brought a user's balance below a threshold, once for each time.
 *
 * A charge's reply does not say the balance, so it is read afterwards, and then it may lack later charges too, even
 * some that have no reply yet. So what was above is not `balance + credits` of one charge: a user is watched as long
 * as a call may still be answered that was in the balance, and all that was taken meanwhile is added up. Users are
 * forgotten when that is over, so there are never more of them than calls on their way.
 */
class LowBalances {
  #readBalance
  #thresholds
  #tell
  /** The numbers of calls that may charge and have no reply yet, oldest first. */
  #open = new Set()
  #lastCall = 0
  /** What is known of the users that are watched; those who wait to be forgotten in the order of `seen`. */
  #users = new Map()

  /** `thresholds()` are those that somebody wants to hear of; `tell` is called with what happened. */
  constructor({ readBalance, thresholds, tell }) {
    this.#readBalance = readBalance
    this.#thresholds = thresholds
    this.#tell = tell
  }

  /** How many users are watched now. */
  get size() {
    return this.#users.size
  }

  /** A call that may charge was sent. */
  begin() {
    this.#open.add(++this.#lastCall)
    return this.#lastCall
  }

  /** A call is answered, and has changed this. `call` is its number if it was one that may charge. */
  end(call, effects) {
    this.#open.delete(call)
    for (const { event, userId, credits, spendable = credits } of effects) {
      if (event === 'charged') this.#fell(userId, credits)
      else this.#rose(userId, spendable)
    }
    this.#forget()
  }

  #fell(userId, credits) {
    if (this.#thresholds().length === 0) return
    let user = this.#users.get(userId)
    if (!user) {
      // How far the balance has fallen since the user is watched: in all, and when it was last asked for.
      user = { fallen: 0, fallenThen: 0, balance: 0, told: new Set(), looking: false, again: false, seen: 0 }
      this.#users.set(userId, user)
    }
    user.fallen += credits
    if (user.looking) user.again = true
    else this.#look(userId, user)
  }

  #rose(userId, credits) {
    const user = this.#users.get(userId)
    if (!user) return
    user.fallen = Math.max(0, user.fallen - credits)
    user.fallenThen = Math.max(0, user.fallenThen - credits)
    user.balance += credits
    for (const below of user.told) if (user.balance >= below) user.told.delete(below)
  }

  async #look(userId, user) {
    user.looking = true
    do {
      user.again = false
      user.fallenThen = user.fallen
      try {
        this.#compare(userId, user, await this.#readBalance(userId))
      } catch {
        // The database is away, or the connection closed. Nothing is known, so nothing is said.
      }
    } while (user.again)
    user.looking = false
    user.seen = this.#lastCall
    // To the end: those who were seen before are forgotten before.
    this.#users.delete(userId)
    this.#users.set(userId, user)
    this.#forget()
  }

  #compare(userId, user, balance) {
    user.balance = balance
    for (const below of this.#thresholds()) {
      if (balance >= below) user.told.delete(below)
      else if (balance + user.fallenThen >= below && !user.told.has(below)) {
        user.told.add(below)
        this.#tell({ userId, balance, below })
      }
    }
  }

  /** Forgets those of whom every call is answered that may be in the balance that was read last. */
  #forget() {
    const [oldest = Infinity] = this.#open
    for (const [userId, { looking, seen }] of this.#users) {
      if (looking) continue
      if (seen >= oldest) return
      this.#users.delete(userId)
    }
  }
}

module.exports = { LowBalances }
