import { randomUUID } from 'node:crypto'
import { expect, test } from '@playwright/test'
import { Desk } from './desk'

/** A request that is sent again after a lost answer is charged once. */

const SUBMIT = '/api/media/submit'
const TRANSLATE = '/api/media/translate'
const VIDEO = { url: 'https://youtu.be/two-clocks', outputType: 'subtitle' }

for (const lost of [1, 3]) {
  test(`a submit whose answer is lost ${lost === 1 ? 'once' : `${lost} times`} is charged once`, async ({
    page,
  }) => {
    const desk = await Desk.signUp(page)
    await desk.loseAnswers('/api/media/submit', lost)
    await page.getByRole('button', { name: 'YouTube', exact: true }).click()
    await page.getByRole('button', { name: /^Submit for/ }).click()
    if (lost === 3) {
      // The page has stopped its retries. The next click sends the same submit.
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

test('a repeated submit returns its task, even if the balance is 0', async ({ page }) => {
  const desk = await Desk.signUpForPro(page)
  const key = randomUUID()
  const first = await desk.post(SUBMIT, VIDEO, key)
  expect(await desk.submitAtOnce(9)).toEqual({ ok: 9 })
  expect((await desk.post(SUBMIT, VIDEO)).message).toBe('Insufficient credits. Required: 10, Available: 0')
  const again = await desk.post(SUBMIT, VIDEO, key)
  expect(again.message).toBe('ok')
  expect(again.data.id).toBe(first.data.id)
})

test('an idempotency key is valid for one submit only', async ({ page }) => {
  const desk = await Desk.signUp(page)
  const key = randomUUID()
  await desk.post(SUBMIT, VIDEO, key)
  const changes = [{ url: 'https://youtu.be/another' }, { outputType: 'video' }]
  for (const change of changes) {
    const { message } = await desk.post(SUBMIT, { ...VIDEO, ...change }, key)
    expect(message).toBe('This request was made before, for something else')
  }
  expect(await desk.credits()).toBe(90)
})

test('a translation is charged once, even if it is sent at once, later, or without credits', async ({
  page,
}) => {
  const desk = await Desk.signUpForPro(page)
  const card = await desk.submit('YouTube')
  await expect(card).toContainText('Extracted')
  const { data } = await (await page.request.get('/api/media/history')).json()
  const wanted = { taskId: data[0].id, targetLanguage: 'de' }
  const key = randomUUID()
  const translate = () => desk.post(TRANSLATE, wanted, key)

  const atOnce = await Promise.all([translate(), translate(), translate(), translate(), translate()])
  expect(atOnce.map(({ message }) => message)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
  await page.reload()
  await expect(card).toContainText('Completed')
  expect((await translate()).data.status).toBe('completed')
  const another = await desk.post(TRANSLATE, { ...wanted, targetLanguage: 'fr' }, key)
  expect(another.message).toBe('This request was made before, for something else')
  await desk.hasBalance(85)

  expect(await desk.submitAtOnce(8)).toEqual({ ok: 8 })
  expect((await desk.post(TRANSLATE, wanted)).message).toBe('ok')
  await expect.poll(() => desk.credits()).toBe(0)
  expect((await translate()).message).toBe('ok')
})
