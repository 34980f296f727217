import { defineConfig, devices } from '@playwright/test'

/**
 * Tests in a browser, against the built app: `npm run build && npm run test:browser`. With a folder in PICTURES it
 * makes the pictures of the README there instead.
 */

const port = Number(process.env.PORT ?? 4300)
const { PICTURES } = process.env

export default defineConfig({
  testDir: 'tests',
  testMatch: PICTURES ? 'pictures.ts' : '*.spec.ts',
  outputDir: 'test-results',
  // One browser at a time: each test counts what it did to a server that all share.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  use: {
    ...devices['Desktop Chrome'],
    baseURL: `http://localhost:${port}`,
    launchOptions: {
      // The system's own: on Debian `apt-get install chromium`. Nothing is downloaded.
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
    },
  },
  webServer: {
    command: `npm run start -- --port ${port}`,
    port,
    // Steps that a test can wait for, and yet see; stuck after a second. A picture shows the app as it is.
    env: PICTURES ? {} : { PROVIDER_STEP_MS: '250', STUCK_AFTER_MS: '1000' },
  },
})
