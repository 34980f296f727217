'use strict'

/**
 * Detects when a connection's charges bring a user's balance below a threshold, and reports it once each
 * time.
 *
 * The reply to a charge does not contain the balance, so it is read afterwards. That balance may already
 * include later calls, even ones without a reply. So the balance before a charge is not `balance + credits`:
 * a user is watched while a call that may be included is unanswered, and all charges in that time are summed.
 * Afterwards the user is forgotten, so there are never more watched users than unanswered calls.
 *
 * An unanswered call may also have added credits, so that the balance before was lower than it seems. Its
 * user is not known yet, so the balance is read again when it is answered.
 */

/** Maximum number of reads of a balance: calls of other users may never stop. */
const MOST_LOOKS = 10

class LowBalances {
  #readBalance
  #thresholds
  #tell
  /** The unanswered calls by number, oldest first, and whether each may add credits. */
  #open = new Map()
  #lastCall = 0
  /** The watched users; those that wait to be forgotten are in the order of `seen`. */
  #users = new Map()
  /** What waits until all calls up to a number are answered. */
  #waiting = []

  /** `thresholds()` returns those with listeners; `tell` is called with each event. */
  constructor({ readBalance, thresholds, tell }) {
    this.#readBalance = readBalance
    this.#thresholds = thresholds
    this.#tell = tell
  }

  /** How many users are watched. */
  get size() {
    return this.#users.size
  }

  /** Records a call that may change a balance. Returns its number. */
  begin(gives) {
    this.#open.set(++this.#lastCall, gives)
    return this.#lastCall
  }

  /** Records the reply of a call, with its effects on balances. */
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
        // How far the balance has fallen since the user is watched, and how far it had at the last read.
        fallen: 0,
        fallenThen: 0,
        // The balance at the last read, and the credits added since.
        balance: 0,
        // The thresholds that the balance is below and that were reported.
        told: new Set(),
        // Whether the balance is being read, and whether a charge came since that read started.
        looking: false,
        stale: false,
        // The last call that was sent before the balance was read.
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
    // Moved to the end, so that users are forgotten in the order of `seen`.
    this.#users.delete(userId)
    this.#users.set(userId, user)
    this.#forget()
  }

  /**
   * The balance; `undefined` if it can't be read, because the database is unavailable or the connection
   * closed.
   */
  #balance(userId) {
    return this.#readBalance(userId).catch(() => undefined)
  }

  /** The thresholds that the balance has crossed since the last report. */
  #crossed(user, balance) {
    if (balance === undefined) return []
    user.balance = balance
    for (const below of user.told) if (balance >= below) user.told.delete(below)
    const before = balance + user.fallenThen
    return this.#thresholds().filter((below) => balance < below && before >= below && !user.told.has(below))
  }

  /** Resolves when all calls sent so far are answered. */
  #answered() {
    return new Promise((resolve) => this.#waiting.push({ until: this.#lastCall, resolve }))
  }

  /** Forgets users if all calls that their last read may include are answered. */
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
