'use strict'

/** A connection's events: changes that its calls made to the ledger. */

const { EventEmitter } = require('node:events')
const { invalidArgument } = require('../errors.js')
const { fieldsOf, snapshot } = require('../fields.js')
const { LowBalances } = require('./low-balances.js')
const { effects, moves, observe, observers, refusal, safely } = require('./observe.js')

const NAMES = ['charged', 'refunded', 'refused', 'balance-low']
const MOST_CREDITS = 2_147_483_647

/** The internal event of a threshold has this prefix. */
const LOW = 'balance-low:'

/**
 * The functions `on`, `once` and `off` of a connection, and `observed`, which observes a call. `connection`
 * is the object that the app holds, `system` returns the kind of its database by OpenTelemetry's name, and
 * `ask` makes an unobserved call.
 */
function makeEvents({ connection, system, ask }) {
  const emitter = new EventEmitter()
  let listeners = 0
  emitter.on('removeListener', () => listeners--)

  /** Calls each listener separately, so that one that throws does not affect the others. */
  function tell(name, event) {
    for (const listener of emitter.rawListeners(name)) safely(() => listener(event))
  }

  const thresholdNames = () => emitter.eventNames().filter((name) => name.startsWith(LOW))
  const lowBalances = new LowBalances({
    readBalance: (userId) => ask('getRemainingCredits', [userId]),
    thresholds: () => thresholdNames().map((name) => Number(name.slice(LOW.length))),
    tell: (event) => tell(LOW + event.below, event),
  })

  function begin(call) {
    const { takes, gives } = moves(call)
    const number = takes || gives ? lowBalances.begin(gives) : undefined
    return (error, value, reply) => {
      const changed = error ? [] : effects(call, value, reply)
      lowBalances.end(number, changed)
      for (const { event, ...change } of changed) tell(event, change)
      const refused = error && refusal(call, error, reply)
      if (refused) tell('refused', refused)
    }
  }

  /** Returns a function to call at the end of a call; `undefined`, at no cost, if nothing observes it. */
  function observed(operation, passed) {
    if (listeners === 0 && observers.size === 0) return undefined
    const call = { connection, system: system(), operation, passed }
    return observe(listeners > 0 ? begin : undefined, call)
  }

  function check(method, event, listener) {
    if (!NAMES.includes(event)) {
      throw invalidArgument(method, 'event', `one of ${NAMES.map((name) => `'${name}'`).join(', ')}`, event)
    }
    if (typeof listener !== 'function') throw invalidArgument(method, 'listener', 'a function', listener)
  }

  function add(method, how, event, rest) {
    const [options, listener] = event === 'balance-low' ? rest : [undefined, ...rest]
    check(method, event, listener)
    const { below } = fieldsOf(snapshot(options))
    if (event === 'balance-low' && !(Number.isInteger(below) && below >= 1 && below <= MOST_CREDITS)) {
      throw invalidArgument(method, 'below', `a whole number from 1 to ${MOST_CREDITS}`, below)
    }
    emitter[how](event === 'balance-low' ? LOW + below : event, listener)
    listeners++
  }

  function on(event, ...rest) {
    add(on, 'on', event, rest)
  }

  function once(event, ...rest) {
    add(once, 'once', event, rest)
  }

  function off(event, listener) {
    check(off, event, listener)
    for (const name of event === 'balance-low' ? thresholdNames() : [event]) emitter.off(name, listener)
  }

  return { functions: { on, once, off }, observed }
}

module.exports = { makeEvents }
