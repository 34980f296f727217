import { randomUUID } from 'node:crypto'
import { expect, test, type Locator, type Page } from '@playwright/test'
import { fits } from './desk'

/** The pages that the media app and the stock app share. These tests run against either. */

async function signUp(page: Page) {
  await page.goto('/activity/ai-tasks')
  await page.getByRole('button', { name: 'Start with 100 credits' }).click()
  await expect(balance(page)).toHaveText('100')
}

/** Submits the form, and returns the new task's row. */
async function generate(page: Page, prompt: string, what: string): Promise<Locator> {
  await page.getByLabel('Prompt').fill(prompt)
  await page.getByLabel('What to make').selectOption({ label: what })
  await page.getByRole('button', { name: /^Generate for/ }).click()
  return rows(page).filter({ hasText: prompt })
}

/** Sends this many concurrent requests, and counts the answers by message. */
async function generateAtOnce(page: Page, count: number, mediaType: string) {
  const counted: Record<string, number> = {}
  const send = async () => {
    const headers = { 'Idempotency-Key': randomUUID() }
    const data = { mediaType, prompt: 'A lighthouse' }
    const { message } = await (await page.request.post('/api/ai/generate', { data, headers })).json()
    counted[message] = (counted[message] ?? 0) + 1
  }
  await Promise.all(Array.from({ length: count }, send))
  return counted
}

const balance = (page: Page) => page.getByTestId('balance')
const rows = (page: Page) => page.getByRole('table').locator('tbody tr')
const goTo = (page: Page, list: string) =>
  page
    .getByRole('navigation', { name: 'Pages', exact: true })
    .getByRole('link', { name: list, exact: true })
    .click()

test('a generation is charged, and a failed or refused one is refunded', async ({ page }) => {
  await signUp(page)
  const done = await generate(page, 'A tide that comes in', 'Clip, 20 credits')
  await expect(balance(page)).toHaveText('80')
  await expect(done).toContainText('success')
  const failed = await generate(page, 'A tide that fails', 'Music, 10 credits')
  await expect(balance(page)).toHaveText('70')
  await expect(failed).toContainText('The provider could not make it')
  await expect(balance(page)).toHaveText('80')
  const refused = await generate(page, 'A tide to refuse', 'Picture, 5 credits')
  await expect(refused).toContainText('The provider refuses this prompt')
  await expect(balance(page)).toHaveText('80')

  await goTo(page, 'Credits')
  await expect(balance(page)).toHaveText('80')
  await expect(rows(page)).toHaveCount(4)
  await expect(rows(page).first()).toContainText('−20')
  await page.getByRole('link', { name: 'Refunded' }).click()
  await expect(rows(page)).toHaveCount(2)
  await expect(rows(page).last()).toContainText('−10')
  await fits(page)
})

test('of ten concurrent generations, with credits for five, five are accepted', async ({ page }) => {
  await signUp(page)
  const short = 'Insufficient credits. Required: 20, Available: 0'
  expect(await generateAtOnce(page, 10, 'video')).toEqual({ ok: 5, [short]: 5 })
  await page.reload()
  await expect(balance(page)).toHaveText('0')
  await page.getByRole('button', { name: /^Generate for/ }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'Required: 5, Available: 0' })).toBeVisible()
})

test('lists have pages, and lists of all users show the user of each row', async ({ page }) => {
  await signUp(page)
  expect(await generateAtOnce(page, 20, 'image')).toEqual({ ok: 20 })
  await goTo(page, 'Credits')
  await expect(rows(page)).toHaveCount(20)
  await page.getByRole('link', { name: 'Next' }).click()
  await expect(page).toHaveURL(/[?&]page=2$/)
  await expect(page.getByText('Page 2 of 2')).toBeVisible()
  await expect(rows(page).filter({ hasText: 'Welcome credits' })).toHaveCount(1)
  await page.getByRole('link', { name: 'Charges' }).click()
  await expect(rows(page)).toHaveCount(20)

  await goTo(page, 'All AI tasks')
  await expect(rows(page).filter({ hasText: '@example.com' }).first()).toBeVisible()
  await page.goto('/admin/credits?page=2&pageSize=10')
  await expect(rows(page)).toHaveCount(10)
  await expect(rows(page).filter({ hasText: '@example.com' })).toHaveCount(10)
  await page.goto('/admin/ai-tasks?type=video&pageSize=5')
  await expect(rows(page).filter({ hasNotText: 'video' })).toHaveCount(0)
})
