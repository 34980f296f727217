// Charges and refunds the credits of media and AI tasks, each in one transaction, over the app's own database.
//
// Terms: a GRANT is a row of `credit` that gives credits; a CHARGE is one that takes them (`transactionType` 'consume');
// a DRAW is the part of a charge that came from one grant; a REFUND returns a charge's draws to their grants; the
// BALANCE is what a user can spend now. Credits are whole numbers.
//
// Every function exists twice: on the module, for the default connection, and on each connection from `connect()`.
// No call blocks the JavaScript thread: other threads do the work on the database.

export * from './types/words.js'
export * from './types/rows.js'
export * from './types/options.js'
export * from './types/results.js'
export * from './types/stats.js'
export * from './types/errors.js'
export * from './types/events.js'
export * from './types/connection.js'
export * from './types/media-tasks.js'
export * from './types/ai-tasks.js'
export * from './types/credits.js'
export * from './types/grants.js'
export * from './types/ledger.js'
export * from './types/within.js'
