'use strict'

/**
 * Fails if the version of a release is not the same everywhere.
 *
 * node scripts/release-version.js v1.2.3
 */

const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../package.json')

const read = (file) => fs.readFileSync(path.join(__dirname, '..', file), 'utf8')

const [tag] = process.argv.slice(2)
const [, cargo] = read('Cargo.toml').match(/^version = "(.*)"$/m)
const section = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm')
const isInChangelog = section.test(read('CHANGELOG.md'))
const problems = [
  tag !== `v${version}` && `the tag is ${tag}, and package.json has ${version}`,
  cargo !== version && `Cargo.toml has ${cargo}, and package.json ${version}`,
  !isInChangelog && `CHANGELOG.md has no section "## [${version}] - 2026-12-31", with its day`,
].filter(Boolean)
if (problems.length) {
  console.error(problems.join('\n'))
  process.exitCode = 1
}
