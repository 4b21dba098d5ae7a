import { z } from 'zod'

const expectedTime = 'expected a time such as 30s, 10m or 1h'
export const time = z
  .union([z.string().regex(/^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$/, expectedTime), z.number().min(0, expectedTime)], {
    error: expectedTime,
  })
  .describe('A number of seconds, or a number with ms, s, m, h or d: 10m.')

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
export const milliseconds = (written: string | number): number => {
  if (typeof written === 'number') return written * 1000
  const [, amount, unit] = /^([0-9.]+)(ms|s|m|h|d)$/.exec(written) ?? []
  return Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN)
}

export const percent = (least: number, most: number) => {
  const expected = `expected a percentage between ${least} and ${most}`
  return z.number({ error: expected }).min(least, expected).max(most, expected)
}

/** `512Mi`, `10MB`. */
export const amountOfBytes = (expected: string) =>
  z.string({ error: expected }).regex(/^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|KB|MB|GB|K|M|G)$/, expected)

export const bytesOf = (amount: string): number => {
  const [, number, unit] = /^([0-9.]+)(\w+)$/.exec(amount) ?? []
  return Math.floor(Number(number) * (bytesIn[unit ?? ''] ?? Number.NaN))
}

const bytesIn: Readonly<Record<string, number>> = {
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 },
  ...{ K: 1e3, M: 1e6, G: 1e9, KB: 1e3, MB: 1e6, GB: 1e9 },
}
