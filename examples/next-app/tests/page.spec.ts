import { expect, test } from '@playwright/test'
import { contrast, Desk, fits, PANELS } from './desk'

/** The page's states: loading, empty, errors, late answers; keyboard, phone and contrast. */

const PLAN = { type: 'free', label: 'Free plan', maxActive: 2, freeTrials: 1, freeTrialsLeft: 0 }

test('every panel shows that it is loading', async ({ page }) => {
  const desk = await Desk.signUp(page)
  let release = () => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  await page.route('**/api/**', async (route) => {
    await released
    await route.continue()
  })
  await page.reload()
  for (const name of PANELS) {
    const panel = page.getByRole('region', { name })
    await expect(panel).toHaveAttribute('aria-busy', 'true')
    await expect(panel).toContainText('Loading…')
  }
  release()
  await desk.hasBalance(100)
  for (const name of PANELS) {
    await expect(page.getByRole('region', { name })).toHaveAttribute('aria-busy', 'false')
  }
})

test('every panel shows that it is empty', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await expect(page.getByRole('region', { name: 'Tasks' })).toContainText('No tasks yet')
  const nothing = {
    'get-user-credits': { remainingCredits: 0, nextExpiry: null, grants: [], plan: PLAN },
    'statement?*': { entries: [], hasEarlier: false },
  }
  for (const [path, data] of Object.entries(nothing)) {
    await page.route(`**/api/user/${path}`, (route) => route.fulfill({ json: { code: 0, data } }))
  }
  await page.reload()
  await expect(desk.balance).toHaveText('0')
  await expect(page.getByRole('region', { name: 'Balance' })).toContainText('Everything is spent.')
  await expect(page.getByRole('region', { name: 'Credits over time' })).toContainText('nothing to show')
  await expect(page.getByRole('region', { name: 'Statement' })).toContainText('Nothing was granted')
})

test('without a server every panel shows an error, and recovers', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await page.route('**/api/**', (route) => route.abort())
  await page.reload()
  for (const name of PANELS) {
    await expect(page.getByRole('region', { name }).getByRole('alert')).toContainText(
      'The server does not answer',
    )
  }
  await page.unroute('**/api/**')
  for (const name of ['Balance', 'Tasks', 'Statement']) {
    await page.getByRole('region', { name }).getByRole('button', { name: 'Try again' }).click()
  }
  await desk.hasBalance(100)
  await expect(desk.alert('The server')).toHaveCount(0)
})

test('an HTML error page instead of JSON becomes a readable error', async ({ page }) => {
  await page.route('**/api/user/sign-up', (route) => route.fulfill({ status: 500, body: '<h1>Oops</h1>' }))
  await page.goto('/')
  await page.getByRole('button', { name: 'Start with 100 credits' }).click()
  await expect(page.getByRole('alert').filter({ hasText: "can't be read (HTTP 500)" })).toBeVisible()
})

test('a card shows an error while its polls fail, and recovers', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await page.route('**/api/media/status?*', (route) => route.abort())
  const card = await desk.submit('YouTube')
  await expect(card.getByRole('alert')).toContainText('The server does not answer')
  await page.unroute('**/api/media/status?*')
  await expect(card).toContainText('Extracted')
  await expect(card.getByRole('alert')).toHaveCount(0)
})

test('a request to a server that hangs times out', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await page.evaluate(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    AbortSignal.timeout = (ms) => timeout(ms / 100)
  })
  await page.route('**/api/media/submit', () => {})
  await page.getByRole('button', { name: 'YouTube', exact: true }).click()
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(desk.alert('The server takes too long to answer')).toBeVisible()
  await expect(page.getByRole('button', { name: /^Submit for/ })).toBeEnabled()
})

test('a task list from before a submit does not hide the new task', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const release = await desk.holdAnswer('/api/media/history')
  await page.reload()
  const card = await desk.submit('YouTube')
  await release()
  await expect(card).toContainText('Extracted')
  await expect(desk.tasks).toHaveCount(1)
})

test('a balance from before a submit does not replace a newer one', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const release = await desk.holdAnswer('/api/user/get-user-credits')
  await page.reload()
  // The balance is not requested again after this.
  await expect(await desk.submit('One that hangs')).toContainText('40 %')
  await desk.hasBalance(90)
  await release()
  await page.evaluate(() => new Promise(requestAnimationFrame))
  expect(await desk.balance.textContent()).toBe('90')
})

test('the page works by keyboard alone, on a phone in dark mode', async ({ browser, baseURL }, testInfo) => {
  const viewport = { width: 375, height: 812 }
  const page = await browser.newPage({ baseURL, viewport, colorScheme: 'dark' })
  await page.goto('/')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  const desk = new Desk(page)
  await desk.hasBalance(100)
  await desk.tabTo(page.getByLabel('Video URL'))
  await page.keyboard.type('https://www.tiktok.com/@tidewatch/video/15')
  await desk.tabTo(page.getByRole('radio', { name: 'Subtitles' }))
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('radio', { name: 'Video' })).toBeChecked()
  await page.keyboard.press('ArrowUp')
  await desk.tabTo(page.getByRole('button', { name: /^Submit for 10/ }))
  await page.keyboard.press('Enter')
  const card = desk.tasks.first()
  await expect(card).toContainText('Extracted')
  await desk.hasBalance(90)
  await desk.tabTo(card.getByRole('combobox'))
  await page.keyboard.type('French')
  await desk.tabTo(card.getByRole('button', { name: /^Translate/ }))
  await page.keyboard.press('Enter')
  // The button is gone; the focus stays on the card.
  await expect(card).toBeFocused()
  await expect(card).toContainText('Completed')
  await expect(card).toBeFocused()
  await page.keyboard.press('Tab')
  await expect(card.getByText('Subtitles in French')).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(card).toContainText('Chaque port a deux horloges.')
  await fits(page)
  await page.screenshot({ path: testInfo.outputPath('phone-dark.png'), fullPage: true })
  await page.close()
})

test('an empty form shows an error at its input', async ({ page }, testInfo) => {
  const desk = await Desk.signUp(page)
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(desk.alert('YouTube or TikTok')).toBeVisible()
  const input = page.getByLabel('Video URL')
  await expect(input).toBeFocused()
  await expect(input).toHaveAttribute('aria-invalid', 'true')
  await expect(input).toHaveAccessibleDescription(/YouTube or TikTok/)
  await page.keyboard.type('h')
  await expect(input).toHaveAttribute('aria-invalid', 'false')
  await desk.hasBalance(100)
  await fits(page)
  await page.screenshot({ path: testInfo.outputPath('desktop.png'), fullPage: true })
})

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the colours of grants have enough contrast (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme })
    await page.goto('/')
    for (const grant of ['--grant-1', '--grant-2', '--grant-3']) {
      expect(await contrast(page, grant, '--surface'), grant).toBeGreaterThanOrEqual(3)
    }
  })
}
