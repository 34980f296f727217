'use strict'

/**
 * Writes the names of the exports of `require('media-credits')` into the two ES modules, which bundlers and Node
 * read without running them. It needs the addon. A test compares them.
 */

const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')

/** Each module with the place of its names. */
const MODULES = {
  'lib/index.mjs': { from: 'export const {\n  ', to: ',\n}', separator: ',\n  ' },
  'lib/native/unsupported.mjs': { from: 'export let ', to: '\n\n', separator: ',\n  ' },
}

/** Each module with the current names. */
function modules() {
  const names = Object.keys(require('..'))
  return Object.entries(MODULES).map(([file, { from, to, separator }]) => {
    const text = fs.readFileSync(path.join(ROOT, file), 'utf8')
    const start = text.indexOf(from) + from.length
    return { file, text: text.slice(0, start) + names.join(separator) + text.slice(text.indexOf(to, start)) }
  })
}

if (require.main === module) {
  for (const { file, text } of modules()) fs.writeFileSync(path.join(ROOT, file), text)
}

module.exports = { modules }
