'use strict'

/** Imports of the package where it can't work: files for a copy of the example, by path. */

/** The error message. */
const SENTENCE = (() => {
  try {
    return require('../lib/native/unsupported.js')
  } catch (error) {
    return error.message
  }
})()

/** Through a model, as in an app's own routes. */
const EDGE_ROUTE = {
  'src/app/api/mistake/route.ts': `
import { findMediaTaskById } from '@/shared/models/media_task'

export const runtime = 'edge'

export const GET = async () => Response.json(await findMediaTaskById('x'))
`,
}

/** The test waits for the message, whether React reports or throws it. */
const CLIENT_COMPONENT = {
  'src/app/mistake/page.tsx': `
'use client'

import { useEffect } from 'react'
import { getRemainingCredits } from 'media-credits'

export default function Mistake() {
  useEffect(() => void getRemainingCredits('x'))
  return null
}
`,
  'tests/mistake.spec.ts': `
import { test } from '@playwright/test'

const SENTENCE = ${JSON.stringify(SENTENCE)}

test('a client component says what to do', async ({ page }) => {
  const said = Promise.race([
    page.waitForEvent('console', (message) => message.text().includes(SENTENCE)),
    page.waitForEvent('pageerror', ({ message }) => message.includes(SENTENCE)),
  ])
  await page.goto('/mistake')
  await said
})
`,
}

module.exports = { CLIENT_COMPONENT, EDGE_ROUTE, SENTENCE }
