import type { Entry } from '@/shared/services/statement'

/** Formats times and numbers for the page, in the browser and its time zone. */

export const dateOf = (time: number) =>
  new Date(time).toLocaleDateString('en', { day: 'numeric', month: 'short' })

export const timeOf = (time: number) =>
  new Date(time).toLocaleTimeString('en', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })

/** The time until then: `7 days`, `3 hours`. */
export function untilThen(time: number): string {
  const hours = Math.max(0, (time - Date.now()) / 3_600_000)
  const [count, unit] = hours < 48 ? [Math.ceil(hours), 'hour'] : [Math.round(hours / 24), 'day']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** `+10` or `−10`, with a minus sign (U+2212). */
export const signed = (credits: number) => (credits < 0 ? `−${-credits}` : `+${credits}`)

/** Minutes and seconds: `3:14`. */
export const lengthOf = (seconds: number) =>
  `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`

const TYPES: Record<Entry['type'], string> = {
  grant: 'Grant',
  charge: 'Charge',
  settlement: 'Settled',
  refund: 'Refund',
  expiry: 'Expired',
  revocation: 'Revoked',
  adjustment: 'Adjusted',
}

/** `Welcome credits`, or `Refund: Media extraction: video`. */
export function describe({ type, description }: Entry): string {
  if (!description) return TYPES[type]
  return type === 'grant' || type === 'charge' ? description : `${TYPES[type]}: ${description}`
}
