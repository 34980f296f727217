'use strict'

/** The items of a call, with their tasks, users and costs, as far as the encoded arguments have them. */

const { own } = require('../fields.js')

const field = (encoded, name) => own(own(encoded, '$fields'), name)

/** The items of an encoded list. */
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
