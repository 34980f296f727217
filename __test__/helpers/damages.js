'use strict'

/**
 * Damages of user `u` by other code, one of each kind: the rows, and the findings of an
 * audit. User `v` has a grant `v` of 1.
 */

const { charge, forTask, grant, refunded, taskRow } = require('./books')

const credit = (id) => ({ table: 'credit', id })
const mediaTask = (id) => ({ table: 'media_tasks', id })

const DAMAGES = {
  'grant-out-of-range': {
    credits: [grant('g', 5, -5), charge('c', 10, [['g', 10]])],
    rows: [credit('g')],
    numbers: { granted: 5, remaining: -5 },
    message: 'grant g has -5 credits left of 5',
  },
  'refunded-more-than-once': {
    credits: [grant('g', 100, 90), refunded('r', 10, [['g', 10]]), charge('c', 20, [['g', 20]])],
    rows: [credit('g'), credit('r')],
    numbers: { granted: 100, remaining: 90, drawn: 20, minted: 10 },
    message:
      '10 credits were refunded to grant g more than once: 90 are left of 100, and its active charges drew 20',
  },
  'grant-draws-differ': {
    credits: [grant('g', 5, 4)],
    rows: [credit('g')],
    numbers: { granted: 5, remaining: 4, drawn: 0 },
    message: '1 credits are gone from grant g, but its active charges drew 0',
  },
  'charge-draws-differ': {
    credits: [grant('g', 10, 0), charge('c', 10, [['g', 10]]), charge('d', 10, [])],
    rows: [credit('d')],
    numbers: { charged: 10, drawn: 0 },
    message: 'charge d took 10 credits, but its draws add up to 0',
  },
  'detail-unreadable': {
    credits: [grant('g', 10, 3), charge('c', 7, [], { consumed_detail: '[{"creditId":' })],
    rows: [credit('c')],
    numbers: { charged: 7 },
    message: expect.stringMatching(/^the consumed_detail of charge c can't be read: ./),
  },
  'draw-on-foreign-grant': {
    credits: [charge('c', 1, [['v', 1]])],
    rows: [credit('c'), credit('v')],
    numbers: { drawn: 1 },
    message: "charge c drew on grant v, which is user v's",
  },
  'charge-without-task': {
    credits: [grant('g', 1, 0), charge('c', 1, [['g', 1]], forTask('gone'))],
    rows: [credit('c'), mediaTask('gone')],
    numbers: { charged: 1 },
    message: 'charge c was made for task gone, which is missing',
  },
  'task-without-charge': {
    tasks: [taskRow('t', 'completed', 'gone')],
    rows: [mediaTask('t'), credit('gone')],
    numbers: {},
    message: 'task t names charge gone, which is missing',
  },
  'failed-task-charged': {
    credits: [grant('g', 10, 4), charge('c', 6, [['g', 6]], forTask('t'))],
    tasks: [taskRow('t', 'failed', 'c')],
    rows: [mediaTask('t'), credit('c')],
    numbers: {},
    message: 'task t has failed, but its charge c was not refunded',
  },
  'delivered-task-refunded': {
    credits: [grant('g', 10, 10), refunded('c', 6, [['g', 6]], forTask('t'))],
    tasks: [taskRow('t', 'completed', 'c'), taskRow('free', 'failed', 'c')],
    rows: [mediaTask('t'), credit('c'), mediaTask('free')],
    numbers: {},
    message: 'task t was delivered, but its charge c was refunded',
  },
  'hold-without-deadline': {
    credits: [grant('g', 10, 4), charge('c', 6, [['g', 6]], { metadata: '{"held":true}' })],
    rows: [credit('c')],
    numbers: { charged: 6 },
    message: 'charge c is a hold without a deadline',
  },
  'top-up-differs': {
    credits: [grant('g', 10, 10, { metadata: '{"topUp":"open"}' })],
    rows: [credit('g')],
    numbers: {},
    message: 'grant g is a top-up whose status contradicts its metadata',
  },
  'wrong-time-unit': {
    credits: [grant('g', 9, 9, { expires_at: new Date(1_900_000_000) })],
    rows: [credit('g')],
    numbers: { expiresAt: 1_900_000_000 },
    message: 'expiresAt of credit g is in another unit than the others',
  },
}

module.exports = { DAMAGES }
