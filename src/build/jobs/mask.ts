import { createFinder } from './finder.ts'

/** What stands in the log where a secret was. */
const stars = '***'
/** Shorter parts of a secret (a lone brace of a JSON key, say) would blacken the log and hide nothing. */
const shortestPart = 3

/**
 * Hides secrets in text: each value, each of its lines, and the forms in which programs print them: base64 in its three
 * shifts (plain and URL-safe), JSON-, URI- and XML-escaped. Grows as a job registers more.
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

export const createMask = (secrets: Iterable<string> = []): Mask => {
  const forms = new Set<string>()
  let pattern: RegExp | null = null
  let finder: ((bytes: Buffer) => boolean) | null = null
  let longest = 0
  const add = (secret: string): void => {
    for (const form of formsOf(secret)) {
      forms.add(form)
      longest = Math.max(longest, form.length)
    }
    pattern = null
    finder = null
  }
  const compiled = (): RegExp => {
    // Longest first, so that a secret which contains another is hidden whole.
    const longestFirst = [...forms].sort((one, other) => other.length - one.length)
    pattern ??= new RegExp(longestFirst.map(escaped).join('|'), 'g')
    return pattern
  }
  for (const secret of secrets) add(secret)
  return {
    add,
    hide: (text) => (forms.size === 0 ? text : text.replace(compiled(), stars)),
    isIn: (bytes) => {
      finder ??= createFinder(Array.from(forms, (form) => Buffer.from(form)))
      return finder(bytes)
    },
    longest: () => longest,
    cutAt: (text, limit) => {
      if (forms.size === 0) return limit
      for (const match of text.matchAll(compiled())) {
        if (match.index < limit && match.index + match[0].length > limit) return match.index
      }
      return limit
    },
  }
}

const formsOf = (secret: string): string[] => {
  const parts = [secret, secret.trim(), ...secret.split(/\r?\n/).map((line) => line.trim())]
  return parts
    .filter((part) => part.length >= shortestPart || part === secret.trim())
    .flatMap(encodings)
    .filter(Boolean)
}

const encodings = (part: string): string[] => {
  const json = JSON.stringify(part).slice(1, -1)
  const uri = percentEncoded(part)
  return [
    part,
    json,
    json.replaceAll('/', '\\/'),
    uri,
    uri.replaceAll('%20', '+'),
    uri.replaceAll('%2F', '/'), // Python's urllib.parse.quote
    encodeURI(part.toWellFormed()),
    uri.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    xmlEscaped(part),
    part.replaceAll('\\', '\\\\').replaceAll("'", "'\\''"),
    ...[0, 1, 2].flatMap((shift) => base64At(part, shift)),
  ]
}

/** Not encodeURIComponent alone: that throws on half a surrogate pair. */
const percentEncoded = (part: string): string => encodeURIComponent(part.toWellFormed())

const xmlEscaped = (part: string): string =>
  part
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')

/**
 * The characters of a base64 text that depend on the secret alone when `shift` other bytes stand before it (`user:password`)
 * and any bytes after it.
 */
const base64At = (part: string, shift: number): string[] => {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(part)])
  const dependsOnBefore = Math.ceil((shift * 8) / 6)
  const whole = Math.floor((bytes.length * 8) / 6)
  const text = bytes.toString('base64').slice(dependsOnBefore, whole)
  return text.length < 4 ? [] : [text, text.replaceAll('+', '-').replaceAll('/', '_')]
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
