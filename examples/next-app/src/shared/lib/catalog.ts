/** Products and prices: the page shows them, the routes charge them. */

/** The grants of a new user. One without `validDays` never expires. */
export const WELCOME = [
  { credits: 60, description: 'Welcome credits', validDays: 7 },
  { credits: 30, description: 'Monthly credits', validDays: 30 },
  { credits: 10, description: 'Thank-you credits', validDays: null },
] as const

export const OUTPUTS = {
  subtitle: { label: 'Subtitles', credits: 10 },
  video: { label: 'Video', credits: 15 },
} as const

export type OutputType = keyof typeof OUTPUTS

export const isOutputType = (value: unknown): value is OutputType =>
  typeof value === 'string' && Object.hasOwn(OUTPUTS, value)

/** Kinds of generated media, in the media app and the stock app. */
export const MEDIA_TYPES = {
  image: { label: 'Picture', credits: 5, scene: 'text-to-image', model: 'stand-in/still' },
  music: { label: 'Music', credits: 10, scene: 'text-to-music', model: 'stand-in/tune' },
  video: { label: 'Clip', credits: 20, scene: 'text-to-video', model: 'stand-in/moving' },
} as const

export type MediaType = keyof typeof MEDIA_TYPES

export const isMediaType = (value: unknown): value is MediaType =>
  typeof value === 'string' && Object.hasOwn(MEDIA_TYPES, value)

/** The tabs of a list of AI tasks. */
export const MEDIA_TYPE_TABS = {
  All: {},
  Pictures: { type: 'image' },
  Music: { type: 'music' },
  Clips: { type: 'video' },
}

/** The plans and their limits; `null` is no limit. `freeTrials` is the total of a user without enough credits. */
export const PLANS = {
  free: { label: 'Free plan', maxActive: 2, freeTrials: 1 },
  pro: { label: 'Pro plan', maxActive: null, freeTrials: 0 },
} as const

export type PlanType = keyof typeof PLANS

export const isPlanType = (value: unknown): value is PlanType =>
  typeof value === 'string' && Object.hasOwn(PLANS, value)

export const TRANSLATION_CREDITS = 5

export const LANGUAGES = { de: 'German', es: 'Spanish', fr: 'French', xx: 'Klingon' } as const

/** The simulated provider fails for this language. */
export const FAILING_LANGUAGE: Language = 'xx'

export type Language = keyof typeof LANGUAGES

export const isLanguage = (value: unknown): value is Language =>
  typeof value === 'string' && Object.hasOwn(LANGUAGES, value)

const ACTIVE = ['pending', 'downloading', 'processing', 'translating']

/** Whether a task with this status is unfinished. */
export const isActive = (status: string) => ACTIVE.includes(status)

export const URL_WANTED = 'Please enter the URL of a YouTube or TikTok video'

/** The platform of a video's URL. */
export function platformOf(url: unknown): 'youtube' | 'tiktok' | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:') return undefined
  if (/^((www|m)\.)?youtube\.com$|^youtu\.be$/.test(hostname)) return 'youtube'
  if (/^((www|m|vm|vt)\.)?tiktok\.com$/.test(hostname)) return 'tiktok'
  return undefined
}
