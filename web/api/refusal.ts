import { t } from '../texts/en.ts'
/** What the API refused, as a person reads it. `kind: 'unreachable'`: nobody answered. */
export class Refusal extends Error {
  readonly kind: string
  readonly status: number
  readonly detail: string
  readonly next: string | null
  /** The key of what was sent that is not as it should be; null where it is no single one. */
  readonly path: string | null

  constructor(
    refusal: { kind: string; status: number; detail: string; next: string | null; path?: string | null },
    options?: { cause: unknown },
  ) {
    super(refusal.detail, options)
    this.kind = refusal.kind
    this.status = refusal.status
    this.detail = refusal.detail
    this.next = refusal.next
    this.path = refusal.path ?? null
  }
}

/** Reads RFC 9457 problem details. What came without them, such as the page of a proxy, is told by its status. */
export const refusalOf = (status: number, text: string): Refusal => {
  const problem = parsed(text)
  const detail = textIn(problem, 'detail') ?? t.states.answered(status)
  const kind = textIn(problem, 'type')?.split(':').at(-1) ?? `http-${status}`
  return new Refusal({
    kind,
    status,
    detail,
    next: textIn(problem, 'next'),
    path: textIn(valueIn(problem, 'where'), 'path'),
  })
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const valueIn = (problem: unknown, key: string): unknown =>
  typeof problem === 'object' && problem !== null
    ? Object.entries(problem).find(([name]) => name === key)?.[1]
    : undefined

const textIn = (problem: unknown, key: string): string | null => {
  const value = valueIn(problem, key)
  return typeof value === 'string' ? value : null
}
