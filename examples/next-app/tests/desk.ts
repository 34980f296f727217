import { expect, type Locator, type Page } from '@playwright/test'

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
