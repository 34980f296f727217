'use strict'

/** Which families of functions the database has tables and columns for. An app need not have all. */

const FAMILIES = [
  { family: 'mediaTasks', title: 'media tasks', table: 'media_tasks' },
  { family: 'aiTasks', title: 'AI tasks', table: 'ai_task' },
]

/** Without these columns a table can't be used. */
const NEEDED = ['id', 'user_id', 'status', 'created_at', 'updated_at']

/** Columns that only some calls need, and those calls. */
const OPTIONAL = [
  { family: 'mediaTasks', table: 'media_tasks', column: 'credit_id', stops: 'charging media tasks' },
  { family: 'mediaTasks', table: 'media_tasks', column: 'is_free_trial', stops: 'freeTrialLimit' },
  { family: 'mediaTasks', table: 'user', column: 'free_trial_used', stops: 'freeTrialLimit' },
  { family: 'aiTasks', table: 'ai_task', column: 'credit_id', stops: 'charging AI tasks' },
]

/**
 * For each family: whether it can be used, and what some of its functions lack; `error` is the error of a
 * call. `undefined` if the tables could not be read.
 *
 * @returns {{ family: string, title: string, table: string, isThere: boolean, available: boolean, missing: { table:
 *   string, column: string, stops: string }[], error?: Error }[] | undefined}
 */
function families({ diagnostics, schemaError, taskErrors = {} }) {
  if (!diagnostics || schemaError) return undefined
  const columnsOf = (table) => diagnostics.tables.find(({ name }) => name === table)?.columns
  return FAMILIES.map((one) => {
    const columns = columnsOf(one.table)
    const isThere = columns !== undefined
    const available = isThere && NEEDED.every((column) => columns.includes(column))
    const error = isThere ? taskErrors[one.family] : undefined
    const missing = OPTIONAL.filter(
      ({ family, table, column }) => family === one.family && !columnsOf(table)?.includes(column),
    ).map(({ table, column, stops }) => ({ table, column, stops }))
    return { ...one, isThere, available, missing: isThere ? missing : [], error }
  })
}

module.exports = { families }
