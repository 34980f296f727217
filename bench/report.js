'use strict'

/** The figures as Markdown: medians over the rounds. */

const { machineLines } = require('./machine')
const { GRANTS_OF_A_USER } = require('./seed')
const { count, fixed, mib, table } = require('./table')
const { COST } = require('./work')

const columnsBeside = (base) => [
  'contestant',
  'tasks/s (slowest–fastest round)',
  `ratio to ${base}`,
  'latency p50 ms',
  'latency p99 ms',
  'event loop delay p99 ms',
  'event loop delay max ms',
  'CPU ms a task',
  'RSS MiB',
]

function report(machine, options, results) {
  const base = results['better-sqlite3'] ? 'better-sqlite3' : 'media-credits'
  const baseRate = results[base] && median(results[base], tasksPerSecond)
  const rows = Object.entries(results).map(([name, runs]) => row(options.contestants[name], runs, baseRate))
  return `\n${header(machine, options, results)}\n\n${table(columnsBeside(base), rows)}\n\n${NOTES}\n`
}

function header(machine, options, results) {
  const { durability, callers, users, seconds, rounds } = options
  const all = Object.values(results).flat()
  const journalModes = [...new Set(all.map(({ settings }) => settings.journalMode))].join(', ')
  const versions = Object.entries(results).map(([name, [run]]) => `${name} ${run.settings.sqliteVersion}`)
  return [
    `createMediaTask, ${COST} credits each.`,
    ...machineLines(machine),
    `Durability ${durability}, journal mode ${journalModes}, ${callers} callers,`,
    `${users} users of ${GRANTS_OF_A_USER} grants, ${seconds} s a run, median of ${rounds} rounds in both orders.`,
    `SQLite: ${versions.join(', ')}.`,
  ].join(' ')
}

const NOTES = [
  'Latency counts from when a caller asks, so its wait for a blocked event loop is part of it.',
  'CPU is the time of all threads of the process.',
  'After each run the ledger was checked: every acknowledged task has its charge, and what was charged is what was drawn.',
].join(' ')

function row({ title }, runs, base) {
  const middle = (figure, digits) => fixed(median(runs, figure), digits)
  const rate = median(runs, tasksPerSecond)
  return [
    title,
    rateWithRange(runs),
    base ? fixed(rate / base, 2) : '',
    middle((run) => run.p50, 2),
    middle((run) => run.p99, 2),
    middle((run) => run.eventLoop.p99, 1),
    middle((run) => run.eventLoop.max, 1),
    middle((run) => run.cpuMsPerTask, 3),
    mib(median(runs, (run) => run.rss)),
  ]
}

const serverColumns = (base) => [
  'contestant',
  'tasks/s (slowest–fastest round)',
  `ratio to ${base}`,
  'latency p50 ms',
  'latency p99 ms',
  'worst wait ms',
  'errors',
  "client's CPU ms a task",
]

/** The names of peers other than Drizzle. */
const BASES = { mysql2: 'mysql2' }

/** A table of contestants on one server: medians over the rounds, relative to `base`. */
function comparison(title, results, base, contestants) {
  const baseRate = median(results[base], tasksPerSecond)
  const rows = Object.entries(results).map(([name, runs]) => {
    const middle = (figure, digits) => fixed(median(runs, figure), digits)
    return [
      contestants[name].title,
      rateWithRange(runs),
      fixed(median(runs, tasksPerSecond) / baseRate, 2),
      middle((run) => run.p50, 2),
      middle((run) => run.p99, 2),
      fixed(Math.max(...runs.map((run) => run.worst)), 1),
      errorsOf(runs),
      middle((run) => run.cpuMsPerTask, 3),
    ]
  })
  return [`${title}:`, '', table(serverColumns(BASES[base] ?? 'Drizzle'), rows)].join('\n')
}

/** The errors of all rounds: how many, and which. */
function errorsOf(runs) {
  const messages = Object.assign({}, ...runs.map((run) => run.errors))
  const count = runs.flatMap((run) => Object.values(run.errors)).reduce((sum, some) => sum + some, 0)
  return [count, ...Object.keys(messages)].join('; ')
}

const tasksPerSecond = (run) => run.tasksPerSecond

const rateWithRange = (runs) => withRange(runs, tasksPerSecond)

/** The median with its range. */
function withRange(runs, figure) {
  const figures = runs.map(figure)
  const range = runs.length > 1 ? ` (${count(Math.min(...figures))}–${count(Math.max(...figures))})` : ''
  return count(median(runs, figure)) + range
}

function median(runs, figure) {
  const sorted = runs.map(figure).sort((one, other) => one - other)
  const middle = sorted.length / 2
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2
}

module.exports = { comparison, median, rateWithRange, report, tasksPerSecond, withRange }
