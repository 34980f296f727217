import type { Language } from '@/shared/lib/catalog'

/**
 * A STAND-IN for the provider that downloads videos and translates: it needs no network, and fails when it is
 * told to. In a real app, its three functions call the provider's API. Nothing here knows about credits.
 */

const STEP_MS = Number(process.env.PROVIDER_STEP_MS ?? 900)

const LINES: Record<Exclude<Language, 'xx'> | 'en', string[]> = {
  en: ['Every harbour keeps two clocks.', 'One for the tide, one for the town.', 'They agree twice a day.'],
  de: [
    'Jeder Hafen hat zwei Uhren.',
    'Eine für die Flut, eine für die Stadt.',
    'Zweimal am Tag sind sie sich einig.',
  ],
  es: [
    'Todo puerto tiene dos relojes.',
    'Uno para la marea, otro para la ciudad.',
    'Coinciden dos veces al día.',
  ],
  fr: [
    'Chaque port a deux horloges.',
    'Une pour la marée, une pour la ville.',
    "Deux fois par jour, elles s'accordent.",
  ],
}

/** Works for a moment. */
export function workOn(url: string, progress: number): Promise<void> {
  if (progress === 70 && url.includes('fail')) throw new Error('The provider could not read the video')
  // As if the server that works on it were gone: the task stays as it is until somebody finds it stuck.
  if (progress === 40 && url.includes('hang')) return new Promise(() => {})
  return new Promise((resolve) => setTimeout(resolve, STEP_MS))
}

export function describeVideo(url: string) {
  const short = url.includes('tiktok')
  return {
    title: short ? 'Two clocks in 15 seconds' : 'The harbour with two clocks',
    author: short ? '@tidewatch' : 'Tidewatch',
    duration: short ? 15 : 194,
    views: short ? 1_204_330 : 48_211,
    likes: short ? 96_020 : 3_904,
    sourceLang: 'en',
    subtitleRaw: srt(LINES.en),
  }
}

export async function translate(language: Language): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, STEP_MS))
  if (language === 'xx') throw new Error('The provider does not speak this language')
  return srt(LINES[language])
}

function srt(lines: string[]): string {
  const time = (seconds: number) => `00:00:${String(seconds).padStart(2, '0')},000`
  return lines.map((line, at) => `${at + 1}\n${time(at * 3)} --> ${time(at * 3 + 3)}\n${line}\n`).join('\n')
}
