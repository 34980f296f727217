'use strict'

/**
 * Type-checks code of apps with this package, with each TypeScript and each Drizzle that apps use today. The tests
 * of the docs run blocks with the API of `typescript` 5, because 7 has none.
 */

const { execFile } = require('node:child_process')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')

const APPS = [
  '__test__/types',
  '__test__/types/esm',
  '__test__/types/apps',
  '__test__/types/apps/tsconfig.drizzle.json',
]

/** What each compiler checks. An older one takes ten seconds more for the new Drizzle. */
const PROJECTS = {
  typescript: APPS,
  'typescript-7': [...APPS, '__test__/types/apps/tsconfig.drizzle-1.json'],
}

const COMPILERS = Object.keys(PROJECTS)

/** Runs a compiler on a project. Resolves to whether it found no errors, and its output. */
function compile(compiler, project) {
  // Not `npx tsc`: both have a command with that name.
  const tsc = path.join(path.dirname(require.resolve(`${compiler}/package.json`)), 'bin/tsc')
  const args = [tsc, '--noEmit', '--pretty', 'false', '-p', project]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ ok: !error, said: `${stdout}${stderr}` }),
    )
  })
}

async function main() {
  for (const [compiler, projects] of Object.entries(PROJECTS)) {
    const { version } = require(`${compiler}/package.json`)
    // Concurrently: a compiler of TypeScript 5 uses one core.
    const results = await Promise.all(projects.map((project) => compile(compiler, project)))
    for (const [at, { ok, said }] of results.entries()) {
      console.log(`${ok ? 'ok ' : 'BAD'} TypeScript ${version}: ${projects[at]}`)
      if (ok) continue
      console.error(said)
      process.exitCode = 1
    }
  }
}

if (require.main === module) main()

module.exports = { COMPILERS, compile }
