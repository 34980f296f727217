import path from 'node:path'
import { expect, test } from '@playwright/test'
import { Desk } from './desk'

const PICTURES = [
  { name: 'desktop', viewport: { width: 1280, height: 1160 } },
  { name: 'phone', viewport: { width: 375, height: 1372 }, deviceScaleFactor: 1.5, colorScheme: 'dark' },
] as const

for (const { name, ...use } of PICTURES) {
  test.describe(() => {
    // No transitions, so that the bars match their numbers.
    test.use({ ...use, contextOptions: { reducedMotion: 'reduce' } })

    test(`a picture of the page (${name})`, async ({ page }) => {
      const desk = await Desk.signUp(page)
      const first = await desk.submit('YouTube')
      await expect(first).toContainText('Extracted')
      await desk.translate(first, 'French')
      await expect(first).toContainText('Completed')
      await expect(await desk.submit('One that fails', 'Video')).toContainText('15 credits refunded')

      // The page gets no updates of the third task after 40 %.
      await page.route('**/api/media/status?*', async (route) => {
        const response = await route.fetch()
        if ((await response.json()).data.progress <= 40) await route.fulfill({ response })
      })
      await expect(await desk.submit('TikTok')).toContainText('40 %')
      await desk.hasBalance(75)
      // Away from elements with a hover style.
      await page.mouse.move(0, 0)
      await page.screenshot({ path: path.join(process.env.PICTURES!, `next-app-${name}.png`) })
    })
  })
}
