import { Problem } from '../problem.ts'
import { type CdEvent, checkCdEvent, type Flaw } from './cdevents/check.ts'

/** One event as it came in a CloudEvents envelope, or as a CDEvent by itself. */
export type Envelope = {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly time: string | null
  /** The CDEvent, checked; null where it is an event of another kind. */
  readonly event: CdEvent | null
  /** The content of an event of another kind. */
  readonly data: unknown
}

type Headers = { get(name: string): string | null }
const structured = 'application/cloudevents+json'
const batched = 'application/cloudevents-batch+json'
const mostInBatch = 1_000
const longest = 1_000

/**
 * The events of a request in any of the modes of the HTTP binding of CloudEvents 1.0 (structured, batched, binary), or CDEvents without an
 * envelope, alone or several in an array. Throws a Problem with the path of what is wrong; then none is taken.
 */
export const readEnvelopes = (headers: Headers, body: Uint8Array): Envelope[] => {
  const contentType = (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  const content = parseJson(body)
  if (contentType === structured && Array.isArray(content))
    throw invalid([{ path: 'body', message: 'is an array, not one event' }], `send several as ${batched}`)
  if (contentType === structured) return [envelopeIn(content, '')]
  if (contentType === batched) return arrayIn(content).map((one, place) => envelopeIn(one, `[${place}].`))
  if (headers.get('ce-specversion') !== null) return [binaryIn(headers, content)]
  const [first] = Array.isArray(content) ? content : [content]
  if (typeof first === 'object' && first !== null && 'specversion' in first)
    throw invalid(
      [
        {
          path: 'content-type',
          message: `is ${contentType || 'missing'}, but the body is in an envelope of CloudEvents`,
        },
      ],
      `send it as ${Array.isArray(content) ? batched : structured}`,
    )
  if (Array.isArray(content)) return arrayIn(content).map((one, place) => bareIn(one, `[${place}].`))
  return [bareIn(content, '')]
}

/** The JSON of a body; what is none is refused. */
export const parseJson = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    const why = String(error)
    const token = /Unexpected token ('.'),/su.exec(why)?.[1]
    const message =
      body.length === 0
        ? 'is empty'
        : error instanceof TypeError
          ? 'is not in UTF-8'
          : /end of JSON|Unterminated/.test(why)
            ? `is no JSON: it ends within a value after ${body.length} bytes`
            : `is no JSON${token === undefined ? '' : `: a ${token} is out of place`}`
    throw invalid([{ path: 'body', message }], 'send it whole, as JSON in UTF-8; with curl: --data-binary @<file>')
  }
}

const arrayIn = (content: unknown): unknown[] => {
  if (!Array.isArray(content))
    throw invalid([{ path: 'body', message: 'is no array of events' }], `send one as ${structured}`)
  if (content.length > mostInBatch) throw invalid([{ path: 'body', message: `has more than ${mostInBatch} events` }])
  return content
}

const bareIn = (content: unknown, at: string): Envelope => {
  const event = checked(content, at)
  const { id, source, type, timestamp } = event.context
  return { id, source, type, time: timestamp, event, data: null }
}

const envelopeIn = (content: unknown, at: string): Envelope => {
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw invalid([{ path: at === '' ? 'body' : at.slice(0, -1), message: 'is no event' }])
  const attributes = new Map(Object.entries(content))
  const text = (name: string): string | null => {
    const value = attributes.get(name)
    return typeof value === 'string' ? value : null
  }
  const encoded = text('data_base64')
  const data = encoded === null ? attributes.get('data') : parseJson(Buffer.from(encoded, 'base64'))
  return joined(text, data, at, encoded === null ? `${at}data.` : `${at}data_base64.`)
}

const binaryIn = (headers: Headers, data: unknown): Envelope =>
  joined((name) => decoded(headers.get(`ce-${name}`)), data, 'ce-', '')

/** Header values are percent-encoded where they are not plain. */
const decoded = (value: string | null): string | null => {
  try {
    return value === null ? null : decodeURIComponent(value)
  } catch {
    return value
  }
}

const joined = (text: (name: string) => string | null, data: unknown, at: string, dataAt: string): Envelope => {
  const required = (name: string): string => {
    const value = text(name)
    if (value === null || value === '') throw invalid([{ path: `${at}${name}`, message: 'is missing' }])
    if (value.length > longest) throw invalid([{ path: `${at}${name}`, message: `is longer than ${longest}` }])
    return value
  }
  const [id, source, type] = [required('id'), required('source'), required('type')]
  if (required('specversion') !== '1.0')
    throw invalid([{ path: `${at}specversion`, message: 'is not 1.0, the version of CloudEvents' }])
  if (!/^dev\.cdeventsx?\./.test(type)) return { id, source, type, time: text('time'), event: null, data }
  const event = checked(data, dataAt)
  for (const [name, value] of [
    ['id', id],
    ['source', source],
    ['type', type],
  ] as const)
    if (event.context[name] !== value)
      throw invalid([{ path: `${dataAt}context.${name}`, message: `is another than the envelope's ${name}` }])
  return { id, source, type, time: event.context.timestamp, event, data: null }
}

const checked = (content: unknown, at: string): CdEvent => {
  const outcome = checkCdEvent(content)
  if (outcome.kind === 'valid') return outcome.event
  throw invalid(outcome.flaws.map(({ path, message }) => ({ path: `${at}${path}`, message })))
}

const invalid = (
  flaws: readonly Flaw[],
  next = 'the schemas are those of CDEvents v0.5.1: https://cdevents.dev',
): Problem =>
  new Problem({
    kind: 'invalid-event',
    status: 400,
    detail: flaws.map(({ path, message }) => `${path}: ${message}`).join('; '),
    ...(flaws[0] ? { where: { path: flaws[0].path } } : {}),
    next,
  })
