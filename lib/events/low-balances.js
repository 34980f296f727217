'use strict'

/**
 * Notices that charges of a connection brought a user's balance below a threshold, once for each time.
 *
 * A charge's reply does not say the balance, so it is read afterwards, and then later calls may be in it too, even some
 * that have no reply yet. So what it was before is not `balance + credits` of one charge: a user is watched as long as
 * a call may still be answered that was in the balance, and all that was taken meanwhile is added up. Users are
 * forgotten when that is over, so there are never more of them than calls on their way.
 *
 * A call on its way may also have given credits back, so that less was there before than it seems. Which user's
 * they are is not known yet: the balance is read again when it is answered.
 */

/** Maximum number of attempts: another user's calls may never end. */
const MOST_LOOKS = 10

class LowBalances {
  #readBalance
  #thresholds
  #tell
  /** The calls that have no reply yet, by number, oldest first: whether each may give credits. */
  #open = new Map()
  #lastCall = 0
  /** What is known of the users that are watched; those who wait to be forgotten in the order of `seen`. */
  #users = new Map()
  /** Who waits until all calls up to a number are answered. */
  #waiting = []

  /** `thresholds()` are those that have listeners; `tell` is called with what happened. */
  constructor({ readBalance, thresholds, tell }) {
    this.#readBalance = readBalance
    this.#thresholds = thresholds
    this.#tell = tell
  }

  /** How many users are watched now. */
  get size() {
    return this.#users.size
  }

  /** A call was sent that may take credits or give some. Returns its number. */
  begin(gives) {
    this.#open.set(++this.#lastCall, gives)
    return this.#lastCall
  }

  /** It is answered, and these are its effects: what the table of operations says that its reply moved. */
  end(call, effects) {
    this.#open.delete(call)
    for (const { event, userId, credits, spendable = credits } of effects) {
      if (event === 'charged') this.#fell(userId, credits)
      else if (spendable < 0) this.#fell(userId, -spendable)
      else this.#rose(userId, spendable)
    }
    // In the order of their numbers.
    while (this.#waiting[0]?.until < this.#oldest()) this.#waiting.shift().resolve()
    this.#forget()
  }

  #oldest() {
    const [oldest = Infinity] = this.#open.keys()
    return oldest
  }

  #fell(userId, credits) {
    if (this.#thresholds().length === 0) return
    let user = this.#users.get(userId)
    if (!user) {
      user = {
        // How far the balance has fallen since the user is watched, and how far it had when it was last read.
        fallen: 0,
        fallenThen: 0,
        // As it was last read, and what came back since.
        balance: 0,
        // The thresholds that it is below and that were told.
        told: new Set(),
        // Whether it is being read, and whether a charge came since it was asked for.
        looking: false,
        stale: false,
        // The last call that was sent when it was read.
        seen: 0,
      }
      this.#users.set(userId, user)
    }
    user.fallen += credits
    user.stale = true
    if (!user.looking) this.#look(userId, user)
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
    for (let looks = 1; user.stale; looks++) {
      user.stale = false
      user.fallenThen = user.fallen
      const crossed = this.#crossed(user, await this.#balance(userId))
      const inDoubt = crossed.length > 0 && [...this.#open.values()].includes(true)
      if (inDoubt && looks < MOST_LOOKS) {
        user.stale = true
        await this.#answered()
      } else {
        for (const below of crossed) {
          user.told.add(below)
          this.#tell({ userId, balance: user.balance, below })
        }
      }
    }
    user.looking = false
    user.seen = this.#lastCall
    // To the end: those who were seen before are forgotten before.
    this.#users.delete(userId)
    this.#users.set(userId, user)
    this.#forget()
  }

  /** The balance, or nothing if it can't be read: the database is away, or the connection closed. */
  #balance(userId) {
    return this.#readBalance(userId).catch(() => undefined)
  }

  /** The thresholds that a balance has fallen below since it was last told. */
  #crossed(user, balance) {
    if (balance === undefined) return []
    user.balance = balance
    for (const below of user.told) if (balance >= below) user.told.delete(below)
    const before = balance + user.fallenThen
    return this.#thresholds().filter((below) => balance < below && before >= below && !user.told.has(below))
  }

  /** Resolves when all calls are answered that were sent by now. */
  #answered() {
    return new Promise((resolve) => this.#waiting.push({ until: this.#lastCall, resolve }))
  }

  /** Forgets those of whom every call is answered that may be in the balance that was read last. */
  #forget() {
    const oldest = this.#oldest()
    for (const [userId, { looking, seen }] of this.#users) {
      if (looking) continue
      if (seen >= oldest) return
      this.#users.delete(userId)
    }
  }
}

module.exports = { LowBalances }
