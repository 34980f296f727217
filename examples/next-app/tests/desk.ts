import { randomUUID } from 'node:crypto'
import { expect, type Locator, type Page, type Route } from '@playwright/test'

/** The page object of the dashboard. */
export class Desk {
  constructor(readonly page: Page) {}

  /** Opens the page as a new user with 100 credits and the free plan. */
  static async signUp(page: Page): Promise<Desk> {
    await page.goto('/')
    await page.getByRole('button', { name: 'Start with 100 credits' }).click()
    const desk = new Desk(page)
    await desk.hasBalance(100)
    return desk
  }

  /** The same, with a plan that has no limits. */
  static async signUpForPro(page: Page): Promise<Desk> {
    const desk = await Desk.signUp(page)
    await desk.changeToPro()
    return desk
  }

  async changeToPro() {
    await this.page.getByRole('button', { name: 'Change to Pro' }).click()
    await expect(this.page.getByText('Pro plan')).toBeVisible()
  }

  /** Submits the URL of a quick choice, and returns the task's card. */
  async submit(choice: string, output: 'Subtitles' | 'Video' = 'Subtitles'): Promise<Locator> {
    const before = await this.tasks.count()
    await this.page.getByRole('button', { name: choice, exact: true }).click()
    await this.page.getByRole('radio', { name: output }).check()
    await this.page.getByRole('button', { name: /^Submit for/ }).click()
    await expect(this.tasks).toHaveCount(before + 1)
    return this.tasks.first()
  }

  /** Requests a translation on the card of an extracted video. */
  async translate(card: Locator, language: string) {
    await card.getByRole('combobox').selectOption({ label: language })
    await card.getByRole('button', { name: 'Translate for 5 credits' }).click()
  }

  /** Sends a request like the page, with a new idempotency key by default. */
  async post(path: string, data: object, key: string = randomUUID()) {
    const headers = { 'Idempotency-Key': key }
    return (await this.page.request.post(path, { data, headers })).json()
  }

  /** Sends this many concurrent submits, and counts the answers by message. */
  async submitAtOnce(count: number, url = 'https://youtu.be/two-clocks'): Promise<Record<string, number>> {
    const send = () => this.post('/api/media/submit', { url, outputType: 'subtitle' })
    const counted: Record<string, number> = {}
    for (const { message } of await Promise.all(Array.from({ length: count }, send))) {
      counted[message] = (counted[message] ?? 0) + 1
    }
    return counted
  }

  /** The balance on the server. */
  async credits(): Promise<number> {
    return (await this.post('/api/user/get-user-credits', {})).data.remainingCredits
  }

  /** The server handles this many requests, but the browser gets no answer. */
  async loseAnswers(path: string, times: number) {
    const lose = async (route: Route) => {
      await route.fetch()
      await route.abort()
    }
    await this.page.route(`**${path}`, lose, { times })
  }

  /** The server answers the next such request at once. The page gets the answer when the returned function is called. */
  async holdAnswer(path: string): Promise<() => Promise<void>> {
    const asked = this.page.waitForRequest(`**${path}`)
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const hold = async (route: Route) => {
      const response = await route.fetch()
      await released
      await route.fulfill({ response })
    }
    await this.page.route(`**${path}`, hold, { times: 1 })
    return async () => {
      release()
      await (await (await asked).response())?.finished()
    }
  }

  /** Moves the focus there with the Tab key. */
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
    await expect(this.balance).toHaveText(String(credits))
    // The statement must agree.
    await expect(this.newestEntry.getByRole('cell').last()).toHaveText(String(credits))
  }

  get balance(): Locator {
    return this.page.getByTestId('balance')
  }

  /** The text that a screen reader announces. */
  announced(text: string): Locator {
    return this.page.getByRole('status').filter({ hasText: text })
  }

  get tasks(): Locator {
    return this.page.getByRole('region', { name: 'Tasks' }).locator('li.task')
  }

  get newestEntry(): Locator {
    return this.page.getByRole('table').locator('tbody tr').first()
  }
}

export const PANELS = ['Balance', 'Tasks', 'Credits over time', 'Statement']

/** Expects a page without horizontal overflow. */
export async function fits(page: Page) {
  const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth
  expect(await page.evaluate(overflow)).toBe(0)
}

/** The contrast ratio of two colours, as WCAG defines it. */
export async function contrast(page: Page, one: string, other: string): Promise<number> {
  const luminances = await page.evaluate(
    (names) =>
      names.map((name) => {
        const context = document.createElement('canvas').getContext('2d')!
        const probe = document.body.appendChild(document.createElement('i'))
        probe.style.color = `var(${name})`
        context.fillStyle = getComputedStyle(probe).color
        probe.remove()
        context.fillRect(0, 0, 1, 1)
        const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
          const value = part / 255
          return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
        })
        return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
      }),
    [one, other],
  )
  const [dark, light] = luminances.sort((a, b) => a - b)
  return (light! + 0.05) / (dark! + 0.05)
}
