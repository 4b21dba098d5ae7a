import { hostileCases } from '../../src/edge/hostile.testing.ts'
import { host } from '../../src/edge/testing.ts'

export type Mutations = {
  random(below: number): number
  oneOf<Item>(items: readonly Item[]): Item
  /** Requests that are as they should be, told apart by the number. */
  plain(id: number): string[]
  mutated(text: string): string
  /** What a client may say over one connection: two requests or three, the last as it should be. */
  conversation(id: number): string
}

/** The same from the same seed. */
export const mutationsFrom = (seed: number): Mutations => {
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const oneOf = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item
  const plain = (id: number): string[] => [
    `GET /${id}a HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `POST /${id}b HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhello`,
    `POST /${id}c HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n`,
    `PUT /${id}d HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n`,
  ]
  const snippets = [
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '0',
    '5',
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    '0\r\n\r\n',
    'GET /x HTTP/1.1\r\n',
    `Host: ${host}\r\n`,
    'chunked',
    'HTTP/1.0',
    '\x0b',
    '\xff',
    '-',
    '+',
    '0x',
    'Connection: close\r\n',
    'Expect: 100-continue\r\n',
  ]

  const mutated = (text: string): string => {
    let bytes = text
    for (let turns = random(4); turns > 0; turns -= 1) {
      const at = random(bytes.length + 1)
      const length = random(6)
      switch (random(5)) {
        case 0:
          bytes = bytes.slice(0, at) + oneOf(snippets) + bytes.slice(at)
          break
        case 1:
          bytes = bytes.slice(0, at) + bytes.slice(at + length)
          break
        case 2:
          bytes = bytes.slice(0, at) + String.fromCharCode(random(256)) + bytes.slice(at + 1)
          break
        case 3:
          bytes = bytes.slice(0, at) + bytes.slice(at, at + 20) + bytes.slice(at)
          break
        default:
          bytes = bytes.slice(0, at) + oneOf(snippets) + bytes.slice(at + length)
      }
    }
    return bytes
  }
  const small = hostileCases.filter(({ bytes }) => bytes.length < 2_000)
  const conversation = (id: number): string => {
    const own = plain(id)
    const first = random(3) === 0 ? oneOf(small).bytes : oneOf(own)
    return mutated(first) + (random(2) === 0 ? mutated(oneOf(own)) : '') + (own[0] ?? '')
  }
  return { random, oneOf, plain, mutated, conversation }
}
