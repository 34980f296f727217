'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const credits = require('../..')
const { modules } = require('../../scripts/names')
const { TestDatabase } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')

const ROOT = path.join(__dirname, '../..')

describe('the module', () => {
  test('has each function of a connection, and uses DATABASE_URL', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { MediaCredits, MediaCreditsError, connect, ...more } = credits
    // The exports that need no database.
    const { calculateCreditExpirationTime, ...rest } = more
    const functions = Object.fromEntries(Object.entries(rest).filter(([, it]) => typeof it === 'function'))
    expect(Object.keys(functions).sort()).toEqual(Object.keys(database.credits).sort())
    const source = `(async () => {
      await credits.createMediaTask({ id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' }, 10)
      console.log(await credits.getRemainingCredits('u'))
      await credits.close()
      await credits.getRemainingCredits('u').catch((error) => console.log(error.code))
    })()`
    const { out } = await evaluate(source, { DATABASE_URL: database.url })
    expect(out).toBe('90\nCLOSED')
  })

  test('has the ES modules that `npm run names` writes', () => {
    for (const { file, text } of modules()) expect(fs.readFileSync(path.join(ROOT, file), 'utf8')).toBe(text)
  })

  test('can be imported by name from an ES module, and exported again', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-module-'))
    fs.writeFileSync(path.join(folder, 'again.mjs'), `export * from '${ROOT}/lib/index.mjs'`)
    const source = `
      import * as all from '${folder}/again.mjs'
      import { ${Object.keys(credits).join(', ')} } from '${folder}/again.mjs'
      console.log(Object.keys(all).length)`
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', source])
    fs.rmSync(folder, { recursive: true })
    expect(Number(out)).toBe(Object.keys(credits).length)
  })

  test('has the same exports for `import` and `require`', () => {
    const source = `
      import { createRequire } from 'node:module'
      import * as imported from 'media-credits'
      const required = createRequire('${ROOT}/')('media-credits')
      const names = Object.keys(required)
      console.log(Object.keys(imported).length, names.filter((name) => imported[name] === required[name]).length)`
    // A package can import itself by its name.
    const options = { cwd: ROOT, encoding: 'utf8' }
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', source], options)
    const count = Object.keys(credits).length
    expect(out.trim()).toBe(`${count} ${count}`)
  })
})
