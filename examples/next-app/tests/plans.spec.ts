import { expect, test } from '@playwright/test'
import { Desk } from './desk'

/** What a plan allows is counted where a task is created, so it holds for requests that come at once. */

const TOO_MANY = '2 of your tasks are at work, and your plan allows 2 at once. Please wait for one of them'
const REFUSALS = ['Insufficient credits. Required: 10, Available: 0', 'Your free trial is used up', TOO_MANY]

test('of ten submits at once the free plan takes two, and another plan all that are paid', async ({
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

test('who runs out of credits has one free trial, which comes back if it fails', async ({ page }) => {
  const desk = await Desk.signUpForPro(page)
  expect(await desk.submitAtOnce(10)).toEqual({ ok: 10 })
  await desk.post('/api/user/plan', { plan: 'free' })
  await page.reload()
  await expect(desk.tasks.filter({ hasText: 'Extracted' })).toHaveCount(10)
  const trialLeft = page.getByText('1 free trial left')
  await expect(trialLeft).toBeVisible()

  // Ten see the trial that is left; those that come later see that it is not.
  const { ok, ...refused } = await desk.submitAtOnce(10, 'https://youtu.be/fail')
  expect({ ok, refused: Object.keys(refused).filter((message) => !REFUSALS.includes(message)) }).toEqual({
    ok: 1,
    refused: [],
  })
  await page.reload()
  await expect(desk.tasks.first()).toContainText('The provider could not read the video')
  // Anew: what the page knows of trials may have been read before the failure, and the tasks after it.
  await page.reload()
  await expect(trialLeft).toBeVisible()

  // Its answer is lost, so the page sends it again, when no trial is left.
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
