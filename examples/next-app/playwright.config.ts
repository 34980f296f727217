import { defineConfig, devices } from '@playwright/test'

/**
 * Browser tests of the built app: `npm run build && npm run test:browser`. If PICTURES names a folder, they take the
 * README's pictures into it instead.
 */

const port = Number(process.env.PORT ?? 4300)
const { PICTURES } = process.env

export default defineConfig({
  testDir: 'tests',
  testMatch: PICTURES ? 'pictures.ts' : '*.spec.ts',
  outputDir: 'test-results',
  // One browser at a time: all tests share a server, and each counts its own changes.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  use: {
    ...devices['Desktop Chrome'],
    baseURL: `http://localhost:${port}`,
    launchOptions: {
      // The system's Chromium; on Debian `apt-get install chromium`. Playwright downloads no browser.
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
    },
  },
  webServer: {
    command: `npm run start -- --port ${port}`,
    port,
    // Short steps that a test can still observe; a task is stuck after a second. Pictures use the defaults.
    env: PICTURES ? {} : { PROVIDER_STEP_MS: '250', STUCK_AFTER_MS: '1000' },
  },
})
