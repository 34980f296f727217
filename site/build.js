/** Builds the site into `.site/`: the repository's pages, and the API reference of its types. A link that leads nowhere fails. */

import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { build } from 'vitepress'
import { checkAnchors } from './anchors.js'
import { copyPages, PAGES } from './pages.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))

process.chdir(HERE)
fs.rmSync(PAGES, { recursive: true, force: true })
copyPages()
await makeReference()
await build(HERE)
checkAnchors(`${HERE}.site`)

async function makeReference() {
  const app = await Application.bootstrapWithPlugins({ options: 'typedoc.json' })
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc could not read the types')
  app.validate(project)
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings())
    throw new Error('TypeDoc found something wrong, see above')
}
