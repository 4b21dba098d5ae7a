/** Numbers, spans and sizes as people read them. */
const locale = 'en'
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 })
const three = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 })

export const count = (value: number): string => whole.format(value)

/** A share from 0 to 1; small ones keep their digits. */
export const percent = (share: number | null): string =>
  share === null ? '–' : share === 0 ? '0 %' : `${three.format(share * 100)} %`

export const milliseconds = (ms: number | null): string =>
  ms === null ? '–' : ms < 1000 ? `${three.format(ms)} ms` : span(ms)

/** A span of time in its two largest units. */
export const span = (ms: number | null): string => {
  if (ms === null) return '–'
  const seconds = Math.max(0, ms) / 1000
  if (seconds > 0 && seconds < 1) return `${three.format(ms)} ms`
  if (seconds < 10) return `${three.format(seconds)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min${seconds % 60 >= 1 ? ` ${Math.floor(seconds % 60)} s` : ''}`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`
  return `${Math.floor(hours / 24)} d`
}

/** The largest unit alone. */
export const roughly = (ms: number): string => {
  const seconds = ms / 1000
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

const units = ['B', 'KiB', 'MiB', 'GiB'] as const
export const bytes = (size: number): string => {
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, size)) / 10))
  return `${three.format(size / 1024 ** step)} ${units[step] ?? 'B'}`
}

/** The exact moment in the viewer's zone. */
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })
export const moment = (at: number): string => exact.format(at)
const clockTime = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
})
export const clock = (at: number): string => clockTime.format(at)

const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' })
/** The day in the viewer's zone. */
export const date = (at: number): string => day.format(at)

const days = new Map<string, Intl.DateTimeFormat>()
/** The day in another zone. */
export const dateIn =
  (timeZone: string) =>
  (at: number): string => {
    const known = days.get(timeZone)
    if (known) return known.format(at)
    const made = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone })
    days.set(timeZone, made)
    return made.format(at)
  }

export const short = (name: string): string => name.replace(/^sha256:/, '').slice(0, 7)
export const branchOf = (ref: string): string => ref.replace(/^refs\/(heads|tags)\//, '')
/** `token:ada/laptop` and `user:ada` are both ada. */
export const personOf = (actor: string): string => actor.replace(/^(user|token):/, '').replace(/\/.*$/, '')
