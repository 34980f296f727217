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

/** The states of a watched user: the balance is being read. */
const READING = 'reading'
/** A charge came since that read began, so it must be read again. */
const OUTDATED = 'outdated'
/** It was read; the user is forgotten when all calls that the read may include are answered. */
const READ = 'read'

/** A user whose balance is watched. */
class Watched {
  state = READ
  /** In `READ`: the last call that was sent before the balance was read. */
  seen = 0
  /** The balance at the last read, and the credits added since. */
  balance = 0
  /** How far the balance has fallen since the user is watched, and how far it had when the last read began. */
  #fallen = 0
  #fallenThen = 0
  /** The thresholds that the balance is below and that were reported. */
  #told = new Set()

  fell(credits) {
    this.#fallen += credits
  }

  rose(credits) {
    this.#fallen = Math.max(0, this.#fallen - credits)
    this.#fallenThen = Math.max(0, this.#fallenThen - credits)
    this.#is(this.balance + credits)
  }

  #is(balance) {
    this.balance = balance
    for (const below of this.#told) if (balance >= below) this.#told.delete(below)
  }

  beginRead() {
    this.state = READING
    this.#fallenThen = this.#fallen
  }

  /** Those of these thresholds that the balance, as it was read, has crossed since the last report. */
  crossed(balance, thresholds) {
    if (balance === undefined) return []
    this.#is(balance)
    const before = balance + this.#fallenThen
    return thresholds.filter((below) => balance < below && before >= below && !this.#told.has(below))
  }

  reported(below) {
    this.#told.add(below)
  }
}

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
      else this.#users.get(userId)?.rose(spendable)
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
    const user = this.#users.get(userId) ?? new Watched()
    this.#users.set(userId, user)
    user.fell(credits)
    const { state } = user
    user.state = OUTDATED
    if (state === READ) this.#look(userId, user)
  }

  async #look(userId, user) {
    for (let looks = 1; user.state === OUTDATED; looks++) {
      user.beginRead()
      const balance = await this.#balance(userId)
      const crossed = user.crossed(balance, this.#thresholds())
      const inDoubt = crossed.length > 0 && [...this.#open.values()].includes(true)
      if (inDoubt && looks < MOST_LOOKS) {
        user.state = OUTDATED
        await this.#answered()
      } else {
        for (const below of crossed) {
          user.reported(below)
          this.#tell({ userId, balance: user.balance, below })
        }
      }
    }
    user.state = READ
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

  /** Resolves when all calls sent so far are answered. */
  #answered() {
    return new Promise((resolve) => this.#waiting.push({ until: this.#lastCall, resolve }))
  }

  /** Forgets users if all calls that their last read may include are answered. */
  #forget() {
    const oldest = this.#oldest()
    for (const [userId, { state, seen }] of this.#users) {
      if (state !== READ) continue
      if (seen >= oldest) return
      this.#users.delete(userId)
    }
  }
}

module.exports = { LowBalances }
