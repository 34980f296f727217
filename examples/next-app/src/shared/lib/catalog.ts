/** What can be bought, and for how much: the page shows these numbers, the routes charge them. */

export const OUTPUTS = {
  subtitle: { label: 'Subtitles', credits: 10 },
  video: { label: 'Video', credits: 15 },
} as const

export type OutputType = keyof typeof OUTPUTS

export const isOutputType = (value: unknown): value is OutputType =>
  typeof value === 'string' && Object.hasOwn(OUTPUTS, value)

export const TRANSLATION_CREDITS = 5

export const LANGUAGES = { de: 'German', es: 'Spanish', fr: 'French', xx: 'Klingon' } as const

/** The stand-in for the provider fails in this one. */
export const FAILING_LANGUAGE: Language = 'xx'

export type Language = keyof typeof LANGUAGES

export const isLanguage = (value: unknown): value is Language =>
  typeof value === 'string' && Object.hasOwn(LANGUAGES, value)

const ACTIVE = ['pending', 'downloading', 'processing', 'translating']

/** Whether somebody should be working on a task in this state. */
export const isActive = (status: string) => ACTIVE.includes(status)

export const URL_WANTED = 'Please enter the URL of a YouTube or TikTok video'

/** The platform that a video's URL belongs to. */
export function platformOf(url: unknown): 'youtube' | 'tiktok' | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:') return undefined
  if (/^((www|m)\.)?youtube\.com$|^youtu\.be$/.test(hostname)) return 'youtube'
  if (/^((www|m|vm|vt)\.)?tiktok\.com$/.test(hostname)) return 'tiktok'
  return undefined
}
