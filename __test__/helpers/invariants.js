'use strict'

/** The columns that they read: tasks have long texts too. An `ai_task` may be without `credit_id`. */
const COLUMNS = {
  credit: 'id, transaction_type, status, credits, remaining_credits, consumed_detail, metadata',
  media_tasks: 'id, status, credit_id',
  ai_task: '*',
}

/**
 * The ledger's invariants, computed from the rows alone. Returns a sentence for each violation.
 *
 * For each user: granted − remaining = Σ draws of active charges. For each grant: 0 ≤ remaining ≤
 * granted, and granted − remaining is what active charges drew from it. No failed task has an active charge.
 * No charge for a task is without its task. A database may be without either kind of task.
 */
async function violations(database) {
  const { credit, media_tasks: mediaTasks, ai_task: aiTasks } = await database.everything(COLUMNS)
  const found = []
  const drawn = new Map()
  const idsOf = (tasks) => tasks && new Set(tasks.map(({ id }) => id))
  const taskIds = { 'media-task': idsOf(mediaTasks), 'ai-task': idsOf(aiTasks) }
  const creditById = new Map(credit.map((row) => [row.id, row]))
  for (const charge of credit.filter(
    (row) => row.transaction_type === 'consume' && row.status === 'active',
  )) {
    const draws = parsed(charge.consumed_detail)
    if (!Array.isArray(draws)) {
      found.push(`what charge ${charge.id} drew can not be read`)
      continue
    }
    const sum = draws.reduce((total, draw) => total + draw.creditsConsumed, 0)
    if (sum !== -charge.credits) found.push(`charge ${charge.id} of ${-charge.credits} drew ${sum}`)
    for (const draw of draws) drawn.set(draw.creditId, (drawn.get(draw.creditId) ?? 0) + draw.creditsConsumed)
    const { type, taskId } = parsed(charge.metadata) ?? {}
    if (taskIds[type]?.has(taskId) === false) {
      found.push(`charge ${charge.id} is without its task ${taskId}`)
    }
  }
  for (const grant of credit.filter((row) => row.transaction_type === 'grant')) {
    const { id, credits, remaining_credits: remaining } = grant
    if (remaining < 0 || remaining > credits) found.push(`grant ${id} has ${remaining} of ${credits} left`)
    const gone = credits - remaining
    if (gone !== (drawn.get(id) ?? 0))
      found.push(`${gone} left grant ${id}, charges drew ${drawn.get(id) ?? 0}`)
    drawn.delete(id)
  }
  for (const id of drawn.keys()) found.push(`charges drew on ${id}, which is no grant`)
  const tasks = [...(mediaTasks ?? []), ...(aiTasks ?? [])]
  const failed = tasks.filter(({ status, credit_id: id }) => status === 'failed' && id)
  for (const task of failed) {
    const charge = creditById.get(task.credit_id)
    if (charge?.status === 'active') found.push(`task ${task.id} failed and keeps its charge ${charge.id}`)
  }
  return found
}

/** The value of a JSON text; `undefined` if it is none. */
function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

module.exports = { violations }
