import { createFinder } from './finder.ts'
import { formsOf } from './mask-forms.ts'

/** What stands in the log where a secret was. */
const stars = '***'

/**
 * Hides secrets in text: each value, each of its lines, and the forms in which programs print them: base64 in its three
 * shifts (plain and URL-safe, in one line or broken into several), JSON-, URI-, XML- and shell-escaped. Of base64 all that stands with
 * the secret is hidden, as the characters beside it have bits of it. Grows as a job registers more.
 */
export type Mask = {
  add(secret: string): void
  /** The text with every secret replaced. Only complete lines, or texts from `cutAt` on, are safe to hide. */
  hide(text: string): string
  /** Whether there is anything to hide in these bytes; without a look at each of them. */
  isIn(bytes: Buffer): boolean
  /** The longest form of any secret, in characters. */
  longest(): number
  /** Where a text may be cut at or before `limit` without cutting through a secret. */
  cutAt(text: string, limit: number): number
}

/** From one place up to another. */
type Span = readonly [from: number, to: number]

export const createMask = (secrets: Iterable<string> = []): Mask => {
  const known = {
    plain: new Set<string>(),
    base64: new Set<string>(),
    starts: new Set<string>(),
    ends: new Set<string>(),
  }
  let pattern: RegExp | null = null
  let finder: ((bytes: Buffer) => boolean) | null = null
  let longest = 0
  const add = (secret: string): void => {
    const { plain, base64, atLineStart, atLineEnd } = formsOf(secret)
    for (const form of plain) known.plain.add(form)
    for (const form of base64) known.base64.add(form)
    for (const form of atLineStart) known.starts.add(form)
    for (const form of atLineEnd) known.ends.add(form)
    longest = [...plain, ...base64].reduce((most, { length }) => Math.max(most, length), longest)
    pattern = null
    finder = null
  }
  const isIn = (bytes: Buffer): boolean => {
    const { plain, base64, starts, ends } = known
    finder ??= createFinder([...plain, ...base64, ...starts, ...ends].map((form) => Buffer.from(form)))
    return finder(bytes)
  }
  const spansIn = (text: string): Span[] => {
    // Most jobs never print a secret: the expression for all forms, which takes some ms to compile, is for those that do.
    if (!isIn(Buffer.from(text))) return []
    pattern ??= patternOf(known)
    const spans = Array.from(text.matchAll(pattern), (match): Span => {
      const span: Span = [match.index, match.index + match[0].length]
      return known.plain.has(match[0]) ? span : widened(text, span)
    })
    return joined(spans)
  }
  for (const secret of secrets) add(secret)
  return {
    add,
    hide: (text) => {
      let hidden = ''
      let at = 0
      for (const [from, to] of spansIn(text)) {
        hidden += text.slice(at, from) + stars
        at = to
      }
      return at === 0 ? text : hidden + text.slice(at)
    },
    isIn,
    longest: () => longest,
    cutAt: (text, limit) => spansIn(text).find(([from, to]) => from < limit && to > limit)?.[0] ?? limit,
  }
}

type Known = Readonly<Record<'plain' | 'base64' | 'starts' | 'ends', ReadonlySet<string>>>

/** Longest first, so that a secret which contains another is hidden whole. */
const patternOf = ({ plain, base64, starts, ends }: Known): RegExp => {
  const oneOf = (forms: Iterable<string>): string =>
    [...forms]
      .sort((one, other) => other.length - one.length)
      .map(escaped)
      .join('|')
  const edges = starts.size === 0 ? '' : `|^(?:${oneOf(starts)})|(?:${oneOf(ends)})$`
  return new RegExp(`${oneOf(new Set([...plain, ...base64]))}${edges}`, 'gm')
}

/** So short a piece of base64 may stand in another word by chance. */
const shortestOwn = 8

/** What stands with a secret in base64 has bits of it in the characters at its ends: all of it, or of a short secret those characters. */
const widened = (text: string, [from, to]: Span): Span => {
  const most = to - from < shortestOwn ? 1 : text.length
  let begin = from
  let end = to
  while (begin > 0 && from - begin < most && isBase64(text.charCodeAt(begin - 1))) begin -= 1
  while (end < text.length && end - to < most && isBase64(text.charCodeAt(end))) end += 1
  for (let padding = 0; padding < 2 && text[end] === '='; padding += 1) end += 1
  return [begin, end]
}

/** Of either alphabet: letters, digits, `+/` and `-_`. */
const isBase64 = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  (code >= 47 && code <= 57) ||
  code === 43 ||
  code === 45 ||
  code === 95

/** Those that overlap as one. */
const joined = (spans: readonly Span[]): Span[] => {
  const all: Span[] = []
  for (const [from, to] of spans) {
    const last = all.at(-1)
    if (last && from < last[1]) all[all.length - 1] = [last[0], Math.max(last[1], to)]
    else all.push([from, to])
  }
  return all
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
