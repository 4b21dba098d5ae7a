import { randomInt } from 'node:crypto'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { judge } from '../../src/edge/asked.ts'
import { trustNobody } from '../../src/edge/trust.ts'
import { bodyOf, readAnswer } from '../../src/edge/wire/answer.ts'
import { Client, type Served } from '../../src/edge/wire/client.ts'
import { Sections } from '../../src/edge/wire/sections.ts'
import { type Mutations, mutationsFrom } from './edge-mutations.ts'

/** Of all of them, as an edge has it. */
const sections = new Sections()
/** A request as somebody understood it. */
type Read = { readonly line: string; readonly body: string }

const millions = Number(process.env.FUZZ_MILLIONS ?? 2)
const batchSize = 500

/**
 * Mutated requests, several on a connection and in random pieces, read by the edge's reader and by another one that is slow and simple: what
 * the edge takes for a request the other must read as the very same, with the same body. Answers likewise.
 */
export const fuzzEdge = async (say: (holds: boolean, what: string) => void): Promise<void> => {
  const seed = randomInt(2 ** 31)
  const mutations = mutationsFrom(seed)
  const began = performance.now()
  let inputs = 0
  let taken = 0
  let disagreements = 0
  while (inputs < millions * 1_000_000 && disagreements === 0) {
    const batch = Array.from({ length: batchSize }, (_, at) => mutations.conversation(inputs + at))
    const reads = await Promise.all(batch.map((bytes) => readByEdge(bytes, mutations)))
    for (const [at, read] of reads.entries()) {
      const bytes = batch[at] ?? ''
      const reference = readSimply(bytes)
      taken += read.length
      if (JSON.stringify(read) === JSON.stringify(reference.slice(0, read.length))) continue
      disagreements += 1
      console.log(JSON.stringify({ bytes, read, reference }, null, 1))
    }
    inputs += batch.length
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  say(
    disagreements === 0,
    `${inputs} mutated conversations in ${seconds} s (seed ${seed}): ${taken} requests taken, each as the other reader reads it`,
  )
  fuzzAnswers(mutations, say)
}

class Wire extends Duplex {
  readonly bytesRead = 0
  readonly bytesWritten = 0
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }
  resetAndDestroy(): this {
    return this.destroy()
  }
}

const judging = { trust: trustNobody, newId: () => '0af76519-16cd-43dd-8448-eb211c80319c' }

/** The requests that would have reached an instance in full. */
const readByEdge = async (bytes: string, { random }: Mutations): Promise<Read[]> => {
  const read: Read[] = []
  const wire = new Wire({ allowHalfOpen: true })
  const server = {
    sections,
    refuse: (client: Client) => client.leaveWith(),
    closed: () => {},
    serve: (client: Client, request: Parameters<typeof judge>[0]): Served | null => {
      const judged = judge(request, client.peer, judging, client.heading)
      client.heading = judged.kind === 'asked' ? judged.asked.heading : null
      if (judged.kind === 'refused' || judged.asked.heading.upgrade !== null) {
        client.leaveWith()
        return null
      }
      const { method, heading } = judged.asked
      const line = `${method} ${request.url}`
      let body = ''
      const end = () => {
        read.push({ line, body })
        setImmediate(() => (heading.keepsOpen ? client.answered() : client.leaveWith()))
      }
      client.expectBody(heading.body)
      if (client.isComplete) end()
      return {
        takesBody: () => true,
        bodyPiece: (piece) => {
          body += piece.toString('latin1')
        },
        bodyEnd: end,
        clientDrained: () => {},
        clientGone: () => {},
      }
    },
  }
  const client = new Client(wire, { address: '192.0.2.1', isSecure: false }, server, () => 0)
  for (let at = 0; at < bytes.length; ) {
    const next = random(4) === 0 ? at + 1 + random(40) : bytes.length
    wire.push(Buffer.from(bytes.slice(at, next), 'latin1'))
    at = next
  }
  let before = -1
  for (let quiet = 0; quiet < 3; quiet += 1) {
    await turn()
    if (read.length !== before) quiet = 0
    before = read.length
  }
  client.socket.destroy()
  return read
}

/** RFC 9112 as it is written, on all bytes at once; ends at the first thing that it does not understand. */
const readSimply = (text: string): Read[] => {
  const read: Read[] = []
  let rest = text
  for (;;) {
    while (rest.startsWith('\r\n')) rest = rest.slice(2)
    const [head = '', ...others] = rest.split('\r\n\r\n')
    if (others.length === 0) return read
    const [line = '', ...fields] = head.split('\r\n')
    const [method = '', url = '', version = '', ...more] = line.split(' ')
    if (
      more.length > 0 ||
      !/^HTTP\/1\.[01]$/.test(version) ||
      fields.some((field) => !/^[^\s:]+:[^\r\n]*$/.test(field))
    )
      return read
    const valuesOf = (name: string) =>
      fields
        .filter((field) => field.toLowerCase().startsWith(`${name}:`))
        .map((field) => field.slice(name.length + 1).trim())
    const [codings, lengths] = [valuesOf('transfer-encoding'), valuesOf('content-length')]
    const body = bodyIn(others.join('\r\n\r\n'), codings, lengths)
    if (!body) return read
    read.push({ line: `${method} ${url}`, body: body.body })
    rest = body.rest
  }
}

const bodyIn = (
  text: string,
  codings: readonly string[],
  lengths: readonly string[],
): { body: string; rest: string } | null => {
  if (codings.length + lengths.length === 0) return { body: '', rest: text }
  if (codings.length + lengths.length > 1) return null
  const [length] = lengths
  if (length !== undefined) {
    if (!/^\d+$/.test(length) || text.length < Number(length)) return null
    return { body: text.slice(0, Number(length)), rest: text.slice(Number(length)) }
  }
  if (codings[0]?.toLowerCase() !== 'chunked') return null
  let body = ''
  let rest = text
  for (;;) {
    const [, digits = '', line = ''] = /^([0-9a-fA-F]+)([ \t]*(?:;[^\r\n]*)?\r\n)/.exec(rest) ?? []
    if (digits === '') return null
    rest = rest.slice(digits.length + line.length)
    const size = Number.parseInt(digits, 16)
    if (size === 0) break
    if (rest.length < size + 2 || rest.slice(size, size + 2) !== '\r\n') return null
    body += rest.slice(0, size)
    rest = rest.slice(size + 2)
  }
  if (rest.startsWith('\r\n')) return { body, rest: rest.slice(2) }
  const end = rest.indexOf('\r\n\r\n')
  return end === -1 ? null : { body, rest: rest.slice(end + 4) }
}

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\nDate: Sat, 21 Nov 2026 18:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
]

/** What the edge takes for the whole body of an answer is what the other reader reads. */
const fuzzAnswers = ({ mutated, oneOf }: Mutations, say: (holds: boolean, what: string) => void): void => {
  let taken = 0
  let disagreements = 0
  const count = millions * 1_000_000
  for (let input = 0; input < count && disagreements === 0; input += 1) {
    const text = mutated(oneOf(answers))
    const end = text.indexOf('\r\n\r\n') + 4
    const answer = end < 4 ? null : readAnswer(Buffer.from(text.slice(0, end), 'latin1'))
    if (!answer || answer.framing === 'open') continue
    const body = bodyOf(answer.framing, answer.lengthBytes)
    const pieces: string[] = []
    const after = body.take(
      Buffer.from(text.slice(end), 'latin1'),
      0,
      (piece) => void pieces.push(piece.toString('latin1')),
    )
    if (after === -1 || !body.over) continue
    taken += 1
    const fields = text
      .slice(0, end - 4)
      .split('\r\n')
      .slice(1)
    const valuesOf = (name: string) =>
      fields
        .filter((field) => field.toLowerCase().startsWith(`${name}:`))
        .map((field) => field.slice(name.length + 1).trim())
    const bodiless = answer.framing === 'none'
    const other = bodiless
      ? { body: '', rest: text.slice(end) }
      : bodyIn(text.slice(end), valuesOf('transfer-encoding'), valuesOf('content-length'))
    if (other && other.body === pieces.join('') && other.rest === text.slice(end + after)) continue
    disagreements += 1
    console.log(JSON.stringify({ text, pieces, other }, null, 1))
  }
  say(disagreements === 0, `${count} mutated answers: ${taken} taken, each as the other reader reads it`)
}
