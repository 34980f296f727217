/** Builds the site into `.site/`: the repository's pages, and the API reference of its types. A dead link fails the build. */

import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { build } from 'vitepress'
import { checkAnchors } from './anchors.js'
import { copyPages, PAGES, ROOT } from './pages.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))

process.chdir(HERE)
fs.rmSync(PAGES, { recursive: true, force: true })
copyPages()
await makeReference()
await build(HERE)
checkAnchors(`${HERE}.site`)

async function makeReference() {
  copyTypes()
  const app = await Application.bootstrapWithPlugins({ options: 'typedoc.json' })
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc could not read the types')
  app.validate(project)
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings())
    throw new Error('TypeDoc found something wrong, see above')
}

/** TypeDoc documents a constant as a function if its comment has `@function`. The types omit the tag, because editors would show it. */
function copyTypes() {
  fs.rmSync('.types', { recursive: true, force: true })
  fs.cpSync(`${ROOT}types`, '.types', { recursive: true })
  for (const name of fs.readdirSync('.types')) {
    const text = fs.readFileSync(`.types/${name}`, 'utf8')
    fs.writeFileSync(`.types/${name}`, text.replace(/ *\*\/\n(?=export const )/g, '\n * @function\n */\n'))
  }
}
