/**
 * Levels are where a team stood among those that were asked in a year; they are no goals, and they move from survey to survey. Where the
 * newest survey's clusters are not in order (2024: the "high" cluster fails more often than the "medium" one), the last that was is used.
 */
export type LevelName = 'elite' | 'high' | 'medium' | 'low'
export type Level = { readonly level: LevelName; readonly year: number; readonly source: string }

const dayMs = 86_400_000
const hourMs = 3_600_000
const monthDays = 365.25 / 12
const survey = (year: number) => ({
  year,
  source: `Accelerate State of DevOps Report ${year} (DORA), performance levels`,
})

const levelBelow = (value: number | null, year: number, bounds: readonly [number, number, number]): Level | null => {
  if (value === null) return null
  const level = (['elite', 'high', 'medium'] as const).find((_, place) => value <= (bounds[place] ?? 0)) ?? 'low'
  return { level, ...survey(year) }
}

/** Elite: less than a day; high: up to a week; medium: up to a month. */
export const leadTimeLevel = (medianMs: number | null): Level | null =>
  levelBelow(medianMs, 2024, [dayMs - 1, 7 * dayMs, monthDays * dayMs])

/** Elite: on demand, several times a day; high: down to once a week; medium: down to once a month. */
export const frequencyLevel = (perDay: number | null): Level | null => {
  if (perDay === null) return null
  return levelBelow(1 / perDay, 2024, [1 - Number.EPSILON, 7, monthDays])
}

/** Elite: 5 %; high: 10 %; medium: 15 %. */
export const failRateLevel = (rate: number | null): Level | null => levelBelow(rate, 2023, [0.05, 0.1, 0.15])

/** Elite: less than an hour; high: less than a day; medium: up to a week. */
export const recoveryLevel = (medianMs: number | null): Level | null =>
  levelBelow(medianMs, 2023, [hourMs - 1, dayMs - 1, 7 * dayMs])

/** The answer of DORA's Quick Check (dora.dev/quickcheck, edition 2025) that a figure stands for, from 0 to 10 in steps of 2; shares in steps of their own. */
export const quickCheck = {
  /** More than six months 0, one to six months 2, a week to a month 4, a day to a week 6, less than a day 8, less than an hour 10. */
  time: (ms: number | null): number | null => {
    if (ms === null) return null
    const bounds = [hourMs, dayMs, 7 * dayMs, monthDays * dayMs, 6 * monthDays * dayMs]
    const place = bounds.findIndex((bound) => ms < bound)
    return place < 0 ? 0 : 10 - 2 * place
  },
  /** Less than every six months 0, every one to six months 2, monthly to weekly 4, weekly to daily 6, daily to hourly 8, more often 10. */
  frequency: (perDay: number | null): number | null => {
    if (perDay === null) return null
    const bounds = [24, 1, 1 / 7, 1 / monthDays, 1 / (6 * monthDays)]
    const place = bounds.findIndex((bound) => perDay >= bound)
    return place < 0 ? 0 : 10 - 2 * place
  },
  /** None 10, all 0. */
  share: (share: number | null): number | null => (share === null ? null : Math.round(100 - share * 100) / 10),
}
