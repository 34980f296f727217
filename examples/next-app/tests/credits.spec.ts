import { expect, test } from '@playwright/test'
import { Desk } from './desk'

test('a submit is charged, and the card shows its progress until it is extracted', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('YouTube')
  await desk.hasBalance(90)
  await expect(card.getByRole('progressbar')).toBeVisible()
  await expect(card).toContainText('Extracted')
  await card.getByText('Subtitles', { exact: true }).click()
  await expect(card).toContainText('Every harbour keeps two clocks.')
  await desk.hasBalance(90)
})

test('a failed video is refunded', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('One that fails', 'Video')
  await desk.hasBalance(85)
  await expect(card).toContainText('The provider could not read the video')
  await expect(card).toContainText('15 credits refunded')
  await expect(desk.announced('An unreadable video: Failed, 15 credits refunded')).toBeAttached()
  await desk.hasBalance(100)
  await expect(desk.newestEntry).toContainText('Refund')
})

test('a failed translation refunds only its own charge', async ({ page }) => {
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

test('of ten concurrent submits from two tabs, with credits for five, five are accepted', async ({
  page,
  context,
}) => {
  const desk = await Desk.signUpForPro(page)
  expect(await desk.submitAtOnce(5)).toEqual({ ok: 5 })
  const other = new Desk(await context.newPage())
  await other.page.goto('/')
  await other.hasBalance(50)
  const answers = await Promise.all([desk.submitAtOnce(5), other.submitAtOnce(5)])
  const count = (message: string) => answers.reduce((sum, counted) => sum + (counted[message] ?? 0), 0)
  expect(count('ok')).toBe(5)
  expect(count('Insufficient credits. Required: 10, Available: 0')).toBe(5)
  await page.reload()
  await desk.hasBalance(0)
  await expect(desk.tasks).toHaveCount(10)
  await expect(page.getByRole('region', { name: 'Balance' })).toContainText('0 of 60')
  await page.getByRole('button', { name: 'YouTube', exact: true }).click()
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'Required: 10, Available: 0' })).toBeVisible()
})

test('a reload during the work keeps the task and its charge', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('YouTube')
  await expect(card).toContainText('Extracting')
  await page.reload()
  await expect(card).toContainText('Extracted')
  await expect(desk.tasks).toHaveCount(1)
  await desk.hasBalance(90)
})

test('a task whose worker died is failed and refunded', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const card = await desk.submit('One that hangs')
  await desk.hasBalance(90)
  const reap = page.getByRole('button', { name: 'Refund stuck tasks' })
  // It becomes stuck after a second. No other user has stuck tasks.
  await expect(async () => {
    await reap.click()
    await expect(card).toContainText('10 credits refunded', { timeout: 500 })
  }).toPass()
  await desk.hasBalance(100)
})

test('an active task older than the newest twenty is listed, and earlier entries can be loaded', async ({
  page,
}) => {
  const desk = await Desk.signUpForPro(page)
  await desk.submitAtOnce(1, 'https://youtu.be/hang')
  for (const count of [7, 7, 7]) {
    await desk.submitAtOnce(count, 'https://youtu.be/fail')
    await expect.poll(() => desk.credits()).toBe(90)
  }
  await page.reload()
  // The newest twenty, and the active one.
  await expect(desk.tasks).toHaveCount(21)
  await expect(desk.tasks.last()).toContainText('A video that never ends')
  const entries = page.getByRole('table').locator('tbody tr')
  await expect(entries).toHaveCount(20)
  await page.getByRole('button', { name: 'Show earlier entries' }).click()
  await expect(entries).toHaveCount(40)
  await page.getByRole('button', { name: 'Show earlier entries' }).click()
  await expect(entries).toHaveCount(46)
  await expect(entries.last()).toContainText('Welcome credits')
  await expect(page.getByRole('button', { name: 'Show earlier entries' })).toHaveCount(0)
})
