'use strict'

/**
 * All figures of this package in one table: runs each benchmark with its peers, and reads its output.
 *
 *   npm run bench -- --summary               everything
 *   npm run bench -- --summary --most 100000 without the tables of many rows
 *
 *   --seconds N     measured time per contestant and round (3)
 *   --rounds N      rounds, in both orders (5); a single caller of SQLite has twice as many plus one
 *   --most N        the maximum number of rows of `credit` (10000000)
 *   --dir PATH      where the files go (the temporary folder)
 *
 * The table goes to stdout, and what each bench prints to stderr.
 */

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const { thisPlatform } = require('../lib/native/platforms')
const { readOptions, runCommand, scratchFolder } = require('./command')
const { describeMachine, machineLines } = require('./machine')
const { fixed, table } = require('./table')

const OURS = 'media-credits'
const ADDON = path.join(__dirname, `../media-credits.${thisPlatform()}.node`)

/** Runs a benchmark. Returns the cells of its tables, by the first column and then by the other titles. */
async function tablesOf(file, ...options) {
  const child = spawn(process.execPath, [path.join(__dirname, file), ...options.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (bytes) => (text += bytes))
  const code = await new Promise((resolve) => child.on('close', resolve))
  process.stderr.write(text)
  if (code !== 0) throw new Error(`${file} ${options.join(' ')} ended with ${code}`)
  return { text, tables: text.split('\n\n').filter(isTable).map(cellsOf) }
}

const isTable = (block) => block.startsWith('| ')

function cellsOf(block) {
  const [titles, , ...rows] = block
    .trim()
    .split('\n')
    .map((line) => line.slice(2, -2).split(' | '))
  return Object.fromEntries(
    rows.map(([name, ...cells]) => [
      name,
      Object.fromEntries(cells.map((cell, at) => [titles[at + 1], cell])),
    ]),
  )
}

const RATE = 'tasks/s (slowest–fastest round)'
const number = (cell) => Number(cell.replaceAll(',', '').split(' ')[0])
const tail = (cells) => fixed(number(cells['latency p99 ms']) / number(cells['latency p50 ms']), 1)

/** Each section resolves to rows: the figure, this package, its peer, and their ratio. */
const SECTIONS = [
  async ({ common, rounds }) => {
    const BESIDE = 'better-sqlite3, hand-written'
    const rows = []
    for (const callers of [64, 256, 1]) {
      const own = callers === 1 ? 2 * rounds + 1 : rounds
      const asked = [
        ...common,
        '--rounds',
        own,
        '--callers',
        callers,
        '--only',
        'media-credits,better-sqlite3',
      ]
      const { tables } = await tablesOf('run.js', ...asked)
      const { [OURS]: ours, [BESIDE]: peer } = tables[0]
      const what = `SQLite, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
      rows.push([
        `${what}: tasks/s, beside better-sqlite3`,
        ours[RATE],
        peer[RATE],
        ours['ratio to better-sqlite3'],
      ])
      rows.push([`${what}: p99 by p50`, tail(ours), tail(peer), ''])
      const loop = 'event loop delay p99 ms'
      rows.push([`${what}: ${loop}`, ours[loop], peer[loop], ''])
    }
    return rows
  },
  async ({ common, rounds }) => {
    const { text, tables } = await tablesOf(
      'run.js',
      '--postgres',
      ...common,
      '--rounds',
      rounds,
      '--only',
      'main,alone',
    )
    const rows = ['64 callers', '1 caller'].map((what, at) => {
      const { [OURS]: ours, 'Drizzle with postgres.js, corrected': peer } = tables[at]
      return [
        `PostgreSQL, ${what}: tasks/s, beside Drizzle`,
        ours[RATE],
        peer[RATE],
        ours['ratio to Drizzle'],
      ]
    })
    const [, yardstick, rate, ratio] =
      text.match(/^(pgbench.*): (.*) transactions.* has (.*) of that\.$/m) ?? []
    if (yardstick) rows.splice(1, 0, [`the same beside ${yardstick}`, tables[0][OURS][RATE], rate, ratio])
    return rows
  },
  async ({ common, rounds }) => {
    const { tables } = await tablesOf('run.js', '--variants', ...common, '--rounds', rounds)
    const { [OURS]: plain, ...variants } = tables[0]
    return Object.entries(variants).map(([name, cells]) => [
      `SQLite, 64 callers, ${name}: tasks/s, beside none`,
      cells[RATE],
      plain[RATE],
      cells[`ratio to ${OURS}`],
    ])
  },
  async ({ common, rounds, most }) => {
    const rows = []
    for (const [storage, title] of Object.entries({ sqlite: 'SQLite', postgres: 'PostgreSQL' })) {
      const asked = [...common, '--rounds', rounds, '--most', most, '--storage', storage]
      const [few, ...many] = Object.entries((await tablesOf('run.js', '--rows', ...asked)).tables[0])
      for (const [name, cells] of many) {
        const ratio = fixed(number(cells['tasks/s']) / number(few[1]['tasks/s']), 2)
        const what = `${title}, ${name} rows of credit`
        rows.push([`${what}: tasks/s, beside ${few[0]}`, cells['tasks/s'], few[1]['tasks/s'], ratio])
        rows.push([`${what}: balance p99 ms`, cells['balance p99 ms'], few[1]['balance p99 ms'], ''])
        rows.push([
          `${what}: audit s, each (its MiB)`,
          `${cells['audit s']} (${cells['its MiB']})`,
          few[1]['audit s'],
          '',
        ])
      }
    }
    return rows
  },
  async ({ common, rounds }) => {
    const { tables } = await tablesOf('next.js', ...common, '--rounds', rounds)
    const [ours, peer, floor] = Object.values(tables[0])
    const rate = 'submits/s (slowest–fastest round)'
    return [
      ['submits over HTTP, 64 connections: a second, beside Drizzle', ours[rate], peer[rate], ours.ratio],
      ['the same beside models that do nothing', ours[rate], floor[rate], ours['of the floor']],
    ]
  },
  async () => [['the addon: MB', fixed(fs.statSync(ADDON).size / 1e6, 1), '', '']],
]

async function main() {
  const { seconds, rounds, most, dir } = readOptions({
    seconds: 3,
    rounds: 5,
    most: 10_000_000,
    summary: true,
  })
  const machine = describeMachine(scratchFolder(dir))
  const rows = []
  for (const section of SECTIONS) {
    rows.push(...(await section({ common: ['--seconds', seconds, '--dir', dir], rounds, most })))
  }
  const header = [
    ...machineLines(machine),
    `Durability full; ${seconds} s a run, medians of ${rounds} rounds in both orders (${2 * rounds + 1} of SQLite with one caller), and the range.`,
  ].join(' ')
  process.stdout.write(`\n${header}\n\n${table(['figure', OURS, 'beside', 'ratio'], rows)}\n`)
}

runCommand(main)
