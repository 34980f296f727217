'use strict'

/**
 * Breaks the ledger's rules one after another, and reports which Rust tests fail: `node scripts/mutations.js`, or
 * with the names of some rules. A rule for which no test fails is an error. Each takes a build, so `.ci/run`
 * leaves it out.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')

/** A rule, its file, the text there, and its replacement. */
const MUTATIONS = [
  ['draw order', 'src/domain/charge.rs', '(1..).zip(grants)', '(1..).zip(grants.iter().rev())'],
  ['exactly once', 'src/domain/refundable.rs', 'if !charge.active {', 'if charge.id.is_empty() {'],
  [
    'owner',
    'src/domain/task/mod.rs',
    'charge.user_id != user_id',
    'charge.user_id.is_empty() && user_id.is_empty()',
  ],
  ['expiry', 'src/domain/grant.rs', 'expires_at_ms > now_ms', 'expires_at_ms >= now_ms'],
  ['guard', 'src/domain/options.rs', 'if in_state && untouched {', 'if in_state || untouched {'],
  ['replay', 'src/domain/replay.rs', '!= request.credits.get()', '== i64::MIN'],
  [
    'settle',
    'src/domain/settle/mod.rs',
    'check_sum(charge, &draws)? - credits;',
    'check_sum(charge, &draws)? - credits - 1;',
  ],
  ['limits', 'src/domain/task/new.rs', 'active >= *max_active', 'active > *max_active'],
  [
    'atomic batch',
    'src/engine/charges.rs',
    'let numbered = verdicts.into_iter().enumerate();',
    'let numbered = verdicts.into_iter().filter(Result::is_ok).enumerate();',
  ],
  [
    'revocation',
    'src/domain/revocation/balance.rs',
    'standing.outstanding = standing.outstanding.max(self.lack(at));',
    'standing.outstanding = standing.outstanding.saturating_add(self.lack(at));',
  ],
  [
    'write-off',
    'src/domain/revocation/balance.rs',
    'self.own_draws(&held.grant.id).saturating_add(held.written_off);',
    'self.own_draws(&held.grant.id);',
  ],
  [
    'renewal',
    'src/domain/renewal/line.rs',
    'left.saturating_sub(rollover.at_most).max(0)',
    'left.saturating_sub(rollover.at_most + 1).max(0)',
  ],
  [
    'line of subscriptions',
    'src/domain/renewal/line.rs',
    'lines.are_one(lived.subscription, carrier.subscription)',
    'lived.subscription == carrier.subscription || lines.are_one("", "-")',
  ],
  [
    'top-up',
    'src/domain/top_up.rs',
    'claim.state == Some(State::Open))',
    'claim.state == Some(State::Abandoned))',
  ],
  [
    'hold',
    'src/domain/metadata.rs',
    'field(metadata, "held")) == Some(true)',
    'field(metadata, "held")) != None::<bool>',
  ],
  ['spending limit', 'src/domain/spending.rs', '<= limit.credits {', '< limit.credits {'],
  [
    'scenes',
    'src/domain/paying.rs',
    'Self::Except(scenes) => !is_one(scenes)',
    'Self::Except(scenes) => is_one(scenes)',
  ],
  [
    'invariants',
    'src/domain/refund.rs',
    'draw.credits_consumed.min(room)',
    'draw.credits_consumed.max(room.min(0))',
  ],
]

const SUITES = [
  ['--lib', 'domain'],
  ['--test', 'it'],
]

/** The failing tests of a suite. */
function failures(suite) {
  // The failing case need not be reduced to the smallest one.
  const env = { ...process.env, PROPTEST_MAX_SHRINK_ITERS: '0', RUST_BACKTRACE: '0' }
  const options = { cwd: ROOT, env, encoding: 'utf8', maxBuffer: Infinity }
  const run = spawnSync('cargo', ['test', '--locked', ...suite], options)
  if (!run.stdout.includes('test result:')) throw new Error(`cargo test ${suite.join(' ')}: ${run.stderr}`)
  return [...run.stdout.matchAll(/^test (\S+) \.\.\. FAILED$/gm)].map(([, name]) => name)
}

/** The tests that fail while a text in a file is replaced. */
function whoNotices(file, from, to) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8')
  if (text.split(from).length !== 2) throw new Error(`${file} says not once: ${from}`)
  try {
    fs.writeFileSync(
      path.join(ROOT, file),
      text.replace(from, () => to),
    )
    return SUITES.flatMap(failures)
  } finally {
    fs.writeFileSync(path.join(ROOT, file), text)
  }
}

// With a listener, Ctrl-C ends only cargo, and the file is restored.
process.on('SIGINT', () => process.exit(130))

const wanted = process.argv.slice(2)
const chosen = MUTATIONS.filter(([rule]) => wanted.length === 0 || wanted.includes(rule))
if (chosen.length === 0)
  throw new Error(`no such rule; there are: ${MUTATIONS.map(([rule]) => rule).join(', ')}`)
const before = SUITES.flatMap(failures)
if (before.length > 0) throw new Error(`these fail already: ${before.join(', ')}`)
for (const [rule, file, from, to] of chosen) {
  const tests = whoNotices(file, from, to)
  console.log(`${rule}: ${tests.length > 0 ? tests.join(', ') : 'NO TEST NOTICES'}`)
  if (tests.length === 0) process.exitCode = 1
}
