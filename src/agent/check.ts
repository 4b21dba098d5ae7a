/** What was sent is not what it should be; the message names the place. The agent loads no schema library: it stays small. */
export class Malformed extends Error {}

export type Fields = Readonly<Record<string, unknown>>

export const fields = (value: unknown, at: string): Fields => {
  if (isFields(value)) return value
  throw new Malformed(`${at} is not an object`)
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const list = <Item>(value: unknown, at: string, item: (value: unknown, at: string) => Item): Item[] => {
  if (!Array.isArray(value)) throw new Malformed(`${at} is not a list`)
  return value.map((one, index) => item(one, `${at}[${index}]`))
}

export const text = (value: unknown, at: string): string => {
  if (typeof value !== 'string') throw new Malformed(`${at} is not a text`)
  if (value.includes('\0')) throw new Malformed(`${at} holds a zero byte`)
  return value
}

export const finite = (value: unknown, at: string): number => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Malformed(`${at} is not a number`)
  return value
}

export const atLeastZero = (value: unknown, at: string): number => {
  const number = finite(value, at)
  if (number < 0) throw new Malformed(`${at} is below 0`)
  return number
}

export const whole = (value: unknown, at: string): number => {
  const number = finite(value, at)
  if (!Number.isSafeInteger(number)) throw new Malformed(`${at} is not a whole number`)
  return number
}

export const flag = (value: unknown, at: string): boolean => {
  if (typeof value !== 'boolean') throw new Malformed(`${at} is not true or false`)
  return value
}

export const oneOf = <const Choice extends string>(value: unknown, at: string, choices: readonly Choice[]): Choice => {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new Malformed(`${at} is none of ${choices.join(', ')}`)
  return found
}

export const orNull = <Value>(
  value: unknown,
  at: string,
  check: (value: unknown, at: string) => Value,
): Value | null => (value === null ? null : check(value, at))
