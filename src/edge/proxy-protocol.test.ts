import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readProxyHeader } from './proxy-protocol.ts'

const binary = (command: number, family: number, body: Buffer): Buffer => {
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1')
  head.writeUInt8(0x20 | command, 12)
  head.writeUInt8(family, 13)
  head.writeUInt16BE(body.length, 14)
  return Buffer.concat([head, body])
}
const four = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb])
const six = Buffer.concat([
  Buffer.from('20010db8000000000000000000000017', 'hex'),
  Buffer.alloc(16, 1),
  Buffer.from([0, 80, 1, 187]),
])
const mapped = Buffer.concat([
  Buffer.from('00000000000000000000ffffc0000207', 'hex'),
  Buffer.alloc(16, 1),
  Buffer.from([0, 80, 1, 187]),
])

const good: readonly (readonly [Buffer | string, { address: string; port: number } | null])[] = [
  ['PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n', { address: '192.0.2.7', port: 56324 }],
  ['PROXY TCP6 2001:db8::17 ::1 80 443\r\n', { address: '2001:db8::17', port: 80 }],
  ['PROXY UNKNOWN\r\n', null],
  ['PROXY UNKNOWN ffff::1 ::2 1 2\r\n', null],
  [binary(1, 0x11, four), { address: '192.0.2.7', port: 0x1234 }],
  [binary(1, 0x21, six), { address: '2001:db8::17', port: 80 }],
  [binary(1, 0x21, mapped), { address: '192.0.2.7', port: 80 }],
  [binary(1, 0x11, Buffer.concat([four, Buffer.from([4, 0, 3, 1, 2, 3])])), { address: '192.0.2.7', port: 0x1234 }],
  [binary(0, 0, Buffer.alloc(0)), null],
  [binary(0, 0x11, four), null],
  [binary(1, 0, Buffer.alloc(7)), null],
]

test('each form of the header is read, byte by byte too, and what follows it is left', () => {
  for (const [text, source] of good) {
    const bytes = Buffer.from(text)
    const expected = { kind: 'header', bytes: bytes.length, source }
    assert.deepEqual(readProxyHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')])), expected)
    for (let some = 0; some < bytes.length; some += 1)
      assert.equal(readProxyHeader(bytes.subarray(0, some)).kind, 'more', `${JSON.stringify(text)} up to ${some}`)
    assert.deepEqual(readProxyHeader(bytes), expected)
  }
})

test('whatever else comes is no header', () => {
  const bad: readonly (Buffer | string)[] = [
    'GET / HTTP/1.1\r\n',
    'proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n',
    'PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n',
    'PROXY TCP4 ::1 ::1 1 1\r\n',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n',
    'PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n',
    'PROXY UNKNOWNX\r\n',
    `PROXY ${'A'.repeat(200)}`,
    `PROXY UNKNOWN ${'A'.repeat(100)}\r\n`,
    binary(2, 0x11, four),
    binary(1, 0x12, four),
    binary(1, 0x31, four),
    binary(1, 0x11, four.subarray(0, 11)),
    binary(1, 0x21, four),
    binary(1, 0x11, Buffer.alloc(3000)),
    Buffer.from('\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0', 'latin1'),
    Buffer.from('\r\n\r\n\0\r\nQUIX', 'latin1'),
  ]
  for (const bytes of bad)
    assert.equal(readProxyHeader(Buffer.from(bytes)).kind, 'broken', JSON.stringify(bytes.toString('latin1')))
})
