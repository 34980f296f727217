import type { Language } from '@/shared/lib/catalog'

/**
 * A STAND-IN for the provider that downloads videos and translates. It needs no network, and fails on request. In a
 * real app the three functions call the provider's API. This module has no knowledge of credits.
 */

const STEP_MS = Number(process.env.PROVIDER_STEP_MS ?? 900)

const LINES: Record<string, string[]> = {
  en: ['Every harbour keeps two clocks.', 'One for the tide, one for the town.', 'They agree twice a day.'],
  de: [
    'Jeder Hafen hat zwei Uhren.',
    'Eine für die Flut, eine für die Stadt.',
    'Zweimal am Tag sind sie einig.',
  ],
  es: ['Todo puerto tiene dos relojes.', 'Uno de la marea, otro del pueblo.', 'Coinciden dos veces al día.'],
  fr: [
    'Chaque port a deux horloges.',
    'Une pour la marée, une pour la ville.',
    "Elles s'accordent deux fois par jour.",
  ],
}

const failing = (url: string) => url.includes('fail')
const hanging = (url: string) => url.includes('hang')

export function describeVideo(url: string) {
  const short = url.includes('tiktok')
  const title = short ? 'Two clocks in 15 seconds' : 'The harbour with two clocks'
  return {
    title: failing(url) ? 'An unreadable video' : hanging(url) ? 'A video that never ends' : title,
    author: short ? '@tidewatch' : 'Tidewatch',
    duration: short ? 15 : 194,
    views: short ? 1_204_330 : 48_211,
    likes: short ? 96_020 : 3_904,
    sourceLang: 'en',
  }
}

/** Runs one step of the extraction. The last step returns the subtitles. */
export async function extractStep(url: string, progress: number): Promise<string> {
  // Simulates a dead worker: the task does not change until it is failed as stuck.
  if (hanging(url) && progress === 40) return new Promise(() => {})
  await pause()
  if (failing(url) && progress === 70) throw new Error('The provider could not read the video')
  return subtitles(LINES.en!)
}

export async function translate(language: Language): Promise<string> {
  await pause()
  const lines = LINES[language]
  if (!lines) throw new Error('The provider does not speak this language')
  return subtitles(lines)
}

const pause = () => new Promise((resolve) => setTimeout(resolve, STEP_MS))

/** In SRT format. */
function subtitles(lines: string[]): string {
  const time = (seconds: number) => `00:00:${String(seconds).padStart(2, '0')},000`
  return lines.map((line, at) => `${at + 1}\n${time(at * 3)} --> ${time(at * 3 + 3)}\n${line}\n`).join('\n')
}
