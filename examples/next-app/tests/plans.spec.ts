import { expect, test } from '@playwright/test'
import { Desk } from './desk'

/** The transaction that creates a task checks the plan's limits, so they hold for concurrent requests. */

const TOO_MANY = '2 of your tasks are at work, and your plan allows 2 at once. Please wait for one of them'
const REFUSALS = ['Insufficient credits. Required: 10, Available: 0', 'Your free trial is used up', TOO_MANY]

test('of ten concurrent submits the free plan accepts two, and the Pro plan has no limit', async ({
  page,
}) => {
  const desk = await Desk.signUp(page)
  await expect(page.getByText('Free plan: 2 tasks at once, 1 free trial left.')).toBeVisible()
  expect(await desk.submitAtOnce(10, 'https://youtu.be/hang')).toEqual({ ok: 2, [TOO_MANY]: 8 })
  await page.reload()
  await desk.hasBalance(80)
  await page.getByRole('button', { name: 'YouTube', exact: true }).click()
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(desk.alert(TOO_MANY)).toBeVisible()
  await desk.changeToPro()
  await page.getByRole('button', { name: /^Submit for/ }).click()
  await expect(desk.tasks).toHaveCount(3)
  await desk.hasBalance(70)
})

test('a user without credits has one free trial, which is returned if the task fails', async ({ page }) => {
  const desk = await Desk.signUpForPro(page)
  expect(await desk.submitAtOnce(10)).toEqual({ ok: 10 })
  await desk.post('/api/user/plan', { plan: 'free' })
  await page.reload()
  await expect(desk.tasks.filter({ hasText: 'Extracted' })).toHaveCount(10)
  const trialLeft = page.getByText('1 free trial left')
  await expect(trialLeft).toBeVisible()

  // One uses the trial. The others are refused, by the early check or by the transaction.
  const { ok, ...refused } = await desk.submitAtOnce(10, 'https://youtu.be/fail')
  expect({ ok, refused: Object.keys(refused).filter((message) => !REFUSALS.includes(message)) }).toEqual({
    ok: 1,
    refused: [],
  })
  await page.reload()
  await expect(desk.tasks.first()).toContainText('The provider could not read the video')
  // Reload again: the page may have read the trials before the failure, and the tasks after it.
  await page.reload()
  await expect(trialLeft).toBeVisible()

  // The answer is lost, so the page sends the request again; by then no trial is left.
  await desk.loseAnswers('/api/media/submit', 1)
  await page.getByRole('button', { name: 'YouTube', exact: true }).click()
  await page.getByRole('button', { name: 'Submit for free, as a trial' }).click()
  await expect(desk.tasks).toHaveCount(12)
  await expect(desk.tasks.first()).toContainText('Free trial')
  await expect(trialLeft).toHaveCount(0)
  await expect(desk.tasks.first()).toContainText('Extracted')
  expect(await desk.submitAtOnce(1)).toEqual({ [REFUSALS[0]!]: 1 })
  await desk.hasBalance(0)
})
