// Charges and refunds the credits of media and AI tasks, each in one transaction, over the app's own database.
//
// Words: a GRANT is a row of `credit` that gives credits; a CHARGE is one that takes them (`transactionType`
// 'consume'); a DRAW is the part of a charge that came from one grant; a REFUND gives a charge's draws back
// to their grants; the BALANCE is what a user can spend now. Credits are whole numbers.
//
// Every function is there twice: at module level, on the default connection, and on what `connect()` returns.
// No call blocks the JavaScript thread: all work on the database is done on other threads.

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
