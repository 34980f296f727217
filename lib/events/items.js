'use strict'

/** What a call is about, of each of its items: the task, the user and the cost, as far as its encoded arguments say. */

const { own } = require('../fields.js')

const field = (encoded, name) => own(own(encoded, '$fields'), name)

/** Of an encoded list, what each item is about. */
const itemsOf = (encoded, about) => own(encoded, '$list')?.map(about) ?? []

const newTask = (kind, fields, credits) => ({
  task: { kind, id: field(fields, 'id') },
  userId: field(fields, 'userId'),
  credits,
})

/** An item of `createMediaTasks`. */
const newMediaTask = (item) => newTask('media', field(item, 'task'), field(item, 'costCredits'))

const newAITask = (task) => newTask('ai', task, field(task, 'costCredits'))

const ofUser = (fields) => ({ userId: field(fields, 'userId'), credits: field(fields, 'credits') })

module.exports = { field, itemsOf, newAITask, newMediaTask, newTask, ofUser }
