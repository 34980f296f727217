'use strict'

// The native half sends invalid replies, and the callers of all other replies still get theirs.

jest.mock('../../lib/native/binding.js', () => {
  const calls = []
  class Mailbox {
    replies = []

    open(wake) {
      this.wake = wake
    }

    close() {}

    fetch(atMost) {
      return { replies: this.replies.splice(0, 3 * atMost), again: false }
    }
  }
  class Connection {
    submit(mailbox, number) {
      calls.push({ mailbox, number })
    }
  }
  return { Mailbox, Connection, calls }
})

const { connect } = require('../..')
const { calls } = require('../../lib/native/binding.js')

/** Makes a call for each reply, and delivers them together. Returns the outcomes of the calls. */
function answered(replies) {
  const { getRemainingCredits } = connect({ url: 'x.db' })
  const made = replies.map(() => getRemainingCredits('u'))
  const [{ mailbox }] = calls
  const numbers = calls.splice(0).map(({ number }) => number)
  mailbox.replies.push(...replies.flatMap((reply, at) => reply(numbers[at])))
  mailbox.wake()
  return Promise.allSettled(made)
}

const right = (number) => [number, false, '{"value":7}']
const seven = { status: 'fulfilled', value: 7 }

test('a reply to an unknown request does not affect other replies', async () => {
  const unknown = (number) => [4_000_000_000, false, '{"value":1}', ...right(number)]
  expect(await answered([unknown, right, right])).toEqual([seven, seven, seven])
})

test('a reply that comes twice counts once', async () => {
  const twice = (number) => [...right(number), ...right(number)]
  expect(await answered([twice, right])).toEqual([seven, seven])
})

test.each([['no JSON'], ['null'], ['5'], ['{"error":5}'], ['{"error":null}']])(
  'a reply with %s makes its call fail, and affects no other',
  async (text) => {
    const [, last] = await answered([(number) => [number, false, text], right])
    expect(last).toEqual(seven)
    const part = (number) => [number, true, text, ...right(number)]
    expect((await answered([part, right]))[1]).toEqual(seven)
  },
)
