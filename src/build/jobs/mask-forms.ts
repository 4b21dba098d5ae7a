/** Shorter parts of a secret (a lone brace of a JSON key, say) would blacken the log and hide nothing. */
const shortestPart = 3
/** A piece of base64 as long as this is the secret's and no other's: 24 bytes, more than private keys have in common with public ones. */
const windowLength = 32
/**
 * How far from one piece to the next: of lines as short as this and a piece together (60 characters; `base64` has 76, PEM 64) each holds a
 * whole one, wherever it begins.
 */
const windowStep = 28
/** What remains of a secret in base64 where a line ends: from four groups of four characters on, as shorter ones would slow the search down. */
const shortestEdge = 16

/** How a secret may look in a text. */
export type Forms = {
  /** As they are, anywhere. */
  readonly plain: readonly string[]
  /** In base64, whole or in pieces of which a secret that is broken into lines (`base64`, MIME, PEM) has some on each. */
  readonly base64: readonly string[]
  /** What stands on the last line of such a secret from its start, and on the first up to its end. */
  readonly atLineStart: readonly string[]
  readonly atLineEnd: readonly string[]
}

/** The forms of a secret, of each of its lines, and of what is between its quotation marks. */
export const formsOf = (secret: string): Forms => {
  const whole = secret.trim()
  const parts = [secret, whole, ...secret.split(/\r?\n/).map((line) => line.trim()), ...sectionsOf(whole)]
    .filter((part) => part.length >= shortestPart || part === whole)
    .filter(Boolean)
  const wrapped = [0, 1, 2].flatMap((shift) => wrappedAt(whole, shift)).flatMap(bothAlphabets)
  const only = (kind: keyof Forms): string[] => wrapped.filter((one) => one.kind === kind).map(({ text }) => text)
  return {
    plain: parts.flatMap(encodings),
    base64: [...parts.flatMap((part) => [0, 1, 2].flatMap((shift) => base64At(part, shift))), ...only('base64')],
    atLineStart: only('atLineStart'),
    atLineEnd: only('atLineEnd'),
  }
}

/**
 * As actions/runner, src/Sdk/DTLogging/Logging/ValueEncoders.cs: `TrimDoubleQuotes`, and the two parts in which PowerShell shows a command
 * with an ampersand, coloured in between.
 */
const sectionsOf = (secret: string): string[] => {
  const isQuoted = secret.length > 8 && secret.startsWith('"') && secret.endsWith('"')
  const joint = secret.includes('&+') ? secret.indexOf('&+') + 2 : secret.lastIndexOf('&') + 1
  const behind = secret.includes('&+') ? joint + 1 : joint
  const sections = joint === 0 ? [] : [secret.slice(0, joint), secret.slice(behind)].filter(({ length }) => length >= 6)
  return [...(isQuoted ? [secret.slice(1, -1)] : []), ...sections]
}

const encodings = (part: string): string[] => {
  const json = jsonEscaped(part)
  const uri = percentEncoded(part)
  const strict = uri.replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
  const urls = [uri, strict, strict.replaceAll('~', '%7E'), strict.replaceAll('~', '%7E').replaceAll('%2A', '*')]
  return [
    part,
    json,
    json.replaceAll('/', '\\/'),
    jsonEscaped(json), // JSON in JSON
    encodeURI(part.toWellFormed()),
    ...urls.flatMap((url) => [
      url,
      url.replaceAll('%20', '+'),
      url.replaceAll('%2F', '/'), // Python's urllib.parse.quote
      url.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    ]),
    ...['&apos;', '&#39;', '&#x27;'].map((apostrophe) => xmlEscaped(part).replaceAll("'", apostrophe)),
    part.replaceAll('"', '\\"'),
    part.replaceAll("'", "''"), // in an expression, in YAML
    part.replaceAll("'", "'\\''"), // set -x
    part.replaceAll("'", `'"'"'`), // Python's shlex.quote
    part.replaceAll('\\', '\\\\').replaceAll("'", "\\'"), // repr of Python, inspect of Node.js
    part.replaceAll('\\', '\\\\'),
    part.replaceAll(/[\\"$`]/g, '\\$&'), // declare -p
    part.replaceAll(/[^\w@%+=:,./\n-]/g, '\\$&'), // printf %q
  ]
}

const jsonEscaped = (text: string): string => JSON.stringify(text).slice(1, -1)

/** Not encodeURIComponent alone: that throws on half a surrogate pair. */
const percentEncoded = (part: string): string => encodeURIComponent(part.toWellFormed())

/** But for apostrophes, of which everybody makes something else. */
const xmlEscaped = (part: string): string =>
  part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/**
 * The characters of a base64 text that depend on the secret alone when `shift` other bytes stand before it (`user:password`)
 * and any bytes after it.
 */
const base64At = (part: string, shift: number): string[] => {
  const { text, from, to } = base64Text(part, shift)
  const core = text.slice(from, to)
  return core.length < 4 ? [] : [core, urlSafe(core)]
}

const base64Text = (part: string, shift: number): { text: string; from: number; to: number } => {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(part)])
  return {
    text: bytes.toString('base64'),
    from: Math.ceil((shift * 8) / 6),
    to: Math.floor((bytes.length * 8) / 6),
  }
}

type Wrapped = { readonly kind: Exclude<keyof Forms, 'plain'>; readonly text: string }

/** Lines are broken between groups of four characters, wherever that is in the secret. */
const wrappedAt = (secret: string, shift: number): Wrapped[] => {
  const { text, from, to } = base64Text(secret, shift)
  if (to - from <= windowLength) return []
  const pieces: Wrapped[] = [
    { kind: 'base64', text: text.slice(from, from + windowLength) },
    { kind: 'base64', text: text.slice(to - windowLength, to) },
  ]
  const firstGroup = from === 0 ? 0 : 4
  for (let at = firstGroup; at + windowLength <= to; at += windowStep)
    pieces.push({ kind: 'base64', text: text.slice(at, at + windowLength) })
  for (let end = firstGroup + 4; end - from < windowLength; end += 4)
    if (end - from >= shortestEdge) pieces.push({ kind: 'atLineEnd', text: text.slice(from, end) })
  for (let at = to - (to % 4); to - at < windowLength; at -= 4)
    if (to - at >= shortestEdge) pieces.push({ kind: 'atLineStart', text: text.slice(at, to) })
  return pieces
}

const bothAlphabets = (one: Wrapped): Wrapped[] =>
  urlSafe(one.text) === one.text ? [one] : [one, { ...one, text: urlSafe(one.text) }]

const urlSafe = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_')
