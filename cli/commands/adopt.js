'use strict'

const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { Option } = require('commander')
const { DONE, FOUND, TROUBLE } = require('../exit-codes')
const { Output, plural } = require('../output')

const HELP = `
Run it in the app's folder. It shows its changes as a diff with reasons; with --apply it writes them. It needs no database.
If a change is not certain to be right, it names the place and changes nothing. A second run has nothing left to do.

With --apply it then installs the package, compares the errors of the app's own tsc before and after, and runs doctor.
With --check nothing is written: exit code 1 says that the app still charges around the package, for CI.

With --json: one document, { applied, changes, notes, around }; changes have path, reasons and diff, notes and around
path, line and message. With --apply also installed, newErrors, knownErrors and doctor;
if the package could not be installed, trouble and next, the commands to run.
With --check --json: { ok, found }; found has path, line and message.
Exit code 1: without --apply there is something to change; with it, tsc has new errors or did not check the types, or
doctor has a problem.

Examples:
  $ npx media-credits adopt
  $ npx media-credits adopt --apply
  $ npx media-credits adopt --check`

module.exports = (program) =>
  program
    .command('adopt')
    .summary("replace an app's models by the package")
    .description("Replaces an app's TypeScript models by the package.")
    .option('--apply', 'change the files')
    .addOption(
      new Option('--check', 'check whether the app still charges without the package').conflicts('apply'),
    )
    .option('--force', 'apply even if git could not restore the files')
    .option('--package <spec>', "the dependency's version in package.json, such as a tarball")
    .option('--no-install', 'do not install the package')
    .option('--json', 'write JSON, for machines')
    .addHelpText('after', HELP)
    .action(adopt)

async function adopt(options) {
  const { App, whyNotSafe } = require('../adopt/app')
  const { planFor } = require('../adopt/plan')
  const { AdoptError } = require('../adopt/refusal')
  const app = new App(process.cwd())
  const plan = planFor(app, { dependency: options.package })
  const output = new Output(options)
  app.requireWritable()
  const there = app.changed.filter(({ isNew }) => !isNew).map((source) => source.path)
  const reason = options.apply && !options.force && app.changed.length > 0 && whyNotSafe(app.root, there)
  if (reason) throw new AdoptError(`${reason}: commit first, or pass --force`)
  if (options.check) return check(app, plan, output)
  await show(app, plan, output)
  const done = options.apply ? await apply(app, output, options) : undefined
  await output.document({ applied: Boolean(options.apply), ...documentOf(app, plan), ...done?.document })
  process.exitCode = done ? done.code : app.changed.length > 0 ? FOUND : DONE
}

function documentOf(app, { notes, around }) {
  const { diffOf } = require('../adopt/diff')
  const changes = app.changed.map((source) => ({
    path: source.path,
    reasons: source.reasons,
    diff: diffOf(source).join('\n'),
  }))
  return { changes, notes, around }
}

// ---- Showing ----

async function show(app, { notes, around, isSchemaChanged }, output) {
  const { diffOf } = require('../adopt/diff')
  for (const source of app.changed) {
    await output.text(output.colours.bold(`${source.path}: ${source.reasons.join('; ')}.`))
    await output.text(`${diffOf(source).map(coloured(output.colours)).join('\n')}\n`)
  }
  await places(output, 'Still written without the package:', around)
  await places(output, 'Check these places:', notes)
  if (isSchemaChanged) await output.text(`Then push the new column: ${pushCommand(app)}\n`)
  const count = app.changed.length
  await output.text(count === 0 ? 'Nothing to change.' : `${plural(count, 'file')} to change.`)
}

const pushCommand = ({ manifest }) =>
  manifest.scripts?.['db:push'] ? 'npm run db:push' : 'npx drizzle-kit push'

async function places(output, title, found) {
  if (found.length === 0) return
  await output.text(title)
  for (const place of found) await output.text(`  ${said(place)}`)
  await output.text()
}

const said = ({ path: file, line, message }) => (file ? `${file}:${line}: ${message}` : message)

const coloured = (colours) => (line) => {
  if (/^(?:---|\+\+\+)/.test(line)) return colours.dim(line)
  if (line.startsWith('@@')) return colours.cyan(line)
  return line.startsWith('+') ? colours.green(line) : line.startsWith('-') ? colours.red(line) : line
}

// ---- Checking ----

async function check(app, { around }, output) {
  const undone = app.changed.map(({ path: file, reasons }) => ({
    path: file,
    line: 1,
    message: `npx media-credits adopt has to change it: ${reasons.join('; ')}`,
  }))
  const found = [...undone, ...around]
  await output.document({ ok: found.length === 0, found })
  for (const place of found) await output.text(said(place))
  await output.text(
    found.length === 0 ? 'All charges go through the package.' : plural(found.length, 'place'),
  )
  process.exitCode = found.length === 0 ? DONE : FOUND
}

// ---- Applying ----

/** Writes the files, installs the package and checks the result; or continues an earlier run. */
async function apply(app, output, options) {
  const { errorsOf } = require('../adopt/compiler')
  const { install, installWords, isInstalled } = require('../adopt/install')
  const isWriting = app.changed.length > 0
  if (!isWriting && (!options.install || isInstalled(app))) return { code: DONE }
  // After an incomplete run, the errors are not those from before the change.
  const before = options.install && isWriting ? errorsOf(app) : undefined
  app.write()
  if (isWriting) await output.text(`${plural(app.changed.length, 'file')} changed.`)
  if (!options.install) return { code: DONE }
  const trouble = install(app, output.json ? process.stderr.fd : 'inherit')
  if (trouble) {
    const next = [installWords(app.root), 'npx tsc --noEmit', 'npx media-credits doctor']
    process.stderr.write(`media-credits: ${trouble}. The files are changed. Then run: ${next.join(' && ')}\n`)
    return { code: TROUBLE, document: { installed: false, trouble, next } }
  }
  const found = compared(before, errorsOf(app))
  await sayErrors(output, found)
  const doctor = runDoctor(app, output)
  const { fresh = [], known = 0, isCompared = true } = found ?? {}
  const isGood = fresh.length === 0 && doctor.code !== FOUND
  const errors = { newErrors: fresh, knownErrors: known, ...(isCompared ? {} : { isCompared }) }
  return { code: isGood ? DONE : FOUND, document: { installed: true, ...errors, doctor: doctor.document } }
}

/** New errors of `tsc`, and the number of existing ones. If it did not check the types before, all may be new. */
function compared(before, after) {
  if (!after) return undefined
  const { newErrors } = require('../adopt/compiler')
  const fresh = newErrors(before ?? [], after)
  const isCompared = before !== undefined && !before.some((error) => error.isBroken)
  return { fresh, known: after.length - fresh.length, isCompared }
}

async function sayErrors(output, found) {
  if (!found) return output.text('tsc: the app has none, or no tsconfig.json.')
  const { fresh, known, isCompared } = found
  const isBroken = fresh.some((error) => error.isBroken)
  await output.text(
    isBroken
      ? 'tsc did not check the types. Correct what it stopped at, then run npx tsc --noEmit:'
      : isCompared
        ? `tsc: ${plural(fresh.length, 'new error')}, ${known} that ${known === 1 ? 'was' : 'were'} there before.`
        : `tsc: ${plural(fresh.length, 'error')}; it did not check the types before the change, so it can't tell new errors from old ones.`,
  )
  for (const error of fresh) await output.text(`  ${said(error)}`)
}

/** Runs doctor on the app's database. Without a database, doctor reports that. */
function runDoctor(app, { json }) {
  const words = [path.join(__dirname, '../bin/media-credits.js'), 'doctor', ...(json ? ['--json'] : [])]
  const stdio = ['ignore', json ? 'pipe' : 'inherit', 'inherit']
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: app.root, stdio, encoding: 'utf8' })
  return { code: status, document: json && stdout ? JSON.parse(stdout) : undefined }
}
