import { expect, test } from '@playwright/test'
import { Desk, fits } from './desk'

test('a submit is charged, and its work is watched until it is done', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('YouTube')
  await desk.hasBalance(90)
  await expect(card.getByRole('progressbar')).toBeVisible()
  await expect(card).toContainText('Extracted')
  await card.getByText('Subtitles', { exact: true }).click()
  await expect(card).toContainText('Every harbour keeps two clocks.')
  await desk.hasBalance(90)
})

test('a video that fails gives its credits back', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('One that fails', 'Video')
  await desk.hasBalance(85)
  await expect(card).toContainText('The provider could not read the video')
  await expect(card).toContainText('15 credits refunded')
  await desk.hasBalance(100)
  await expect(desk.newestEntry).toContainText('Refund')
})

test('a translation that fails gives back its own credits alone', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('TikTok')
  await expect(card).toContainText('Extracted')
  await desk.translate(card, 'German')
  await expect(card).toContainText('Completed')
  await desk.hasBalance(85)
  await desk.translate(card, 'Klingon (always fails)')
  await expect(card).toContainText('5 credits refunded')
  await desk.hasBalance(85)
})

test('of ten submits at once from two tabs, with credits for five, five are accepted', async ({
  page,
  context,
}) => {
  const desk = await Desk.signUp(page)
  expect(await desk.submitAtOnce(5)).toEqual({ ok: 5 })
  const other = new Desk(await context.newPage())
  await other.page.goto('/')
  await other.hasBalance(50)
  const answers = await Promise.all([desk.submitAtOnce(5), other.submitAtOnce(5)])
  const count = (message: string) => answers.reduce((sum, counted) => sum + (counted[message] ?? 0), 0)
  expect(count('ok')).toBe(5)
  expect(count('Insufficient credits. Required: 10, available: 0')).toBe(5)
  await page.reload()
  await desk.hasBalance(0)
  await expect(desk.tasks).toHaveCount(10)
  await page.getByRole('button', { name: 'YouTube', exact: true }).click()
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'Required: 10, available: 0' })).toBeVisible()
})

test('a reload in the middle of the work loses nothing', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('YouTube')
  await expect(card).toContainText('Extracting')
  await page.reload()
  await expect(card).toContainText('Extracted')
  await expect(desk.tasks).toHaveCount(1)
  await desk.hasBalance(90)
})

test('a task whose worker is gone is found and refunded', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('One that hangs')
  await desk.hasBalance(90)
  const reap = page.getByRole('button', { name: 'Refund stuck tasks' })
  // It is not stuck at once; nobody else has tasks that are.
  await expect(async () => {
    await reap.click()
    await expect(card).toContainText('10 credits refunded', { timeout: 500 })
  }).toPass()
  await desk.hasBalance(100)
})

test('the keyboard is enough, on a phone in the dark too', async ({ browser, baseURL }, testInfo) => {
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
  await expect(desk.tasks.first()).toContainText('Extracted')
  await desk.hasBalance(90)
  await fits(page)
  await page.screenshot({ path: testInfo.outputPath('phone-dark.png'), fullPage: true })
  await page.close()
})

test('a form that is not filled in says what is missing', async ({ page }, testInfo) => {
  const desk = await Desk.signUp(page)
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'YouTube or TikTok' })).toBeVisible()
  await desk.hasBalance(100)
  await fits(page)
  await page.screenshot({ path: testInfo.outputPath('desktop.png'), fullPage: true })
})

for (const lost of [1, 3]) {
  test(`a submit whose answer is lost ${lost === 1 ? 'once' : `${lost} times`} is charged once`, async ({
    page,
  }) => {
    const desk = await Desk.signUp(page)
    await desk.loseAnswers('/api/media/submit', lost)
    await page.getByRole('button', { name: 'YouTube', exact: true }).click()
    await page.getByRole('button', { name: /^Submit for/ }).click()
    if (lost === 3) {
      // By then the page has given up. The next click is about the same submit.
      await expect(desk.alert('The server does not answer')).toBeVisible()
      await expect(desk.tasks).toHaveCount(0)
      await page.getByRole('button', { name: /^Submit for/ }).click()
    }
    await expect(desk.tasks.first()).toContainText('Extracted')
    await page.reload()
    await expect(desk.tasks).toHaveCount(1)
    await desk.hasBalance(90)
  })
}

test('a translation whose answers are lost is charged once', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('YouTube')
  await expect(card).toContainText('Extracted')
  await desk.loseAnswers('/api/media/translate', 3)
  await desk.translate(card, 'German')
  await expect(desk.alert('The server does not answer')).toBeVisible()
  await desk.translate(card, 'German')
  await expect(card).toContainText('Completed')
  await page.reload()
  await desk.hasBalance(85)
})

test('without a server every panel says so, and recovers', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await page.route('**/api/**', (route) => route.abort())
  await page.reload()
  for (const name of ['Balance', 'Tasks', 'Credits over time', 'Statement']) {
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

test('a page of errors instead of an answer is put in words', async ({ page }) => {
  await page.route('**/api/user/sign-up', (route) => route.fulfill({ status: 500, body: '<h1>Oops</h1>' }))
  await page.goto('/')
  await page.getByRole('button', { name: 'Start with 100 credits' }).click()
  await expect(page.getByRole('alert').filter({ hasText: "can't be read (HTTP 500)" })).toBeVisible()
})

test('a task of which there is no news says so, and goes on when there is', async ({ page }) => {
  const desk = await Desk.signUp(page)
  await page.route('**/api/media/status?*', (route) => route.abort())
  const card = await desk.submit('YouTube')
  await expect(card.getByRole('alert')).toContainText('The server does not answer')
  await page.unroute('**/api/media/status?*')
  await expect(card).toContainText('Extracted')
  await expect(card.getByRole('alert')).toHaveCount(0)
})
