import { expect, type Locator, type Page, type Route } from '@playwright/test'

/** The page, in the words of its user. */
export class Desk {
  constructor(readonly page: Page) {}

  /** Opens the page as somebody new, who gets 100 credits. */
  static async signUp(page: Page): Promise<Desk> {
    await page.goto('/')
    await page.getByRole('button', { name: 'Start with 100 credits' }).click()
    const desk = new Desk(page)
    await desk.hasBalance(100)
    return desk
  }

  /** Submits what a quick choice fills in, and returns its card. */
  async submit(choice: string, output: 'Subtitles' | 'Video' = 'Subtitles'): Promise<Locator> {
    const before = await this.tasks.count()
    await this.page.getByRole('button', { name: choice, exact: true }).click()
    await this.page.getByRole('radio', { name: output }).check()
    await this.page.getByRole('button', { name: /^Submit for/ }).click()
    await expect(this.tasks).toHaveCount(before + 1)
    return this.tasks.first()
  }

  /** Asks the card of an extracted video for a translation. */
  async translate(card: Locator, language: string) {
    await card.getByRole('combobox').selectOption({ label: language })
    await card.getByRole('button', { name: 'Translate for 5 credits' }).click()
  }

  /** Sends as many submits at once as it says, and counts what was answered. */
  submitAtOnce(count: number): Promise<Record<string, number>> {
    return this.page.evaluate(async (count) => {
      const body = JSON.stringify({ url: 'https://youtu.be/two-clocks', outputType: 'subtitle' })
      const headers = { 'Content-Type': 'application/json' }
      const send = () => fetch('/api/media/submit', { method: 'POST', headers, body })
      const answers = await Promise.all(Array.from({ length: count }, send))
      const counted: Record<string, number> = {}
      for (const { message } of await Promise.all(answers.map((answer) => answer.json()))) {
        counted[message] = (counted[message] ?? 0) + 1
      }
      return counted
    }, count)
  }

  /** The server does what it is asked so many times, and the browser does not hear of it. */
  async loseAnswers(path: string, times: number) {
    const lose = async (route: Route) => {
      await route.fetch()
      await route.abort()
    }
    await this.page.route(`**${path}`, lose, { times })
  }

  /** Goes there with the key Tab, as somebody without a mouse does. */
  async tabTo(target: Locator) {
    const focused = () => target.evaluate((element) => element === document.activeElement)
    for (let presses = 0; !(await focused()) && presses < 20; presses += 1)
      await this.page.keyboard.press('Tab')
    await expect(target).toBeFocused()
  }

  alert(text: string): Locator {
    return this.page.getByRole('alert').filter({ hasText: text })
  }

  async hasBalance(credits: number) {
    await expect(this.page.getByTestId('balance')).toHaveText(String(credits))
    // The statement tells the same story.
    await expect(this.newestEntry.getByRole('cell').last()).toHaveText(String(credits))
  }

  get tasks(): Locator {
    return this.page.getByRole('region', { name: 'Tasks' }).locator('li.task')
  }

  get newestEntry(): Locator {
    return this.page.getByRole('table').locator('tbody tr').first()
  }
}

/** The page is not wider than its window. */
export async function fits(page: Page) {
  const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth
  expect(await page.evaluate(overflow)).toBe(0)
}
