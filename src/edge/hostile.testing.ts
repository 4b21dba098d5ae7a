import { host } from './testing.ts'

/**
 * Raw bytes and what must come of them. A status: that answer and no other, and nothing has reached an instance (200: it has, once).
 * 'cut': whatever the client is told, no instance has seen a whole request. 'closed': the connection ends without a word.
 */
export type HostileCase = {
  readonly name: string
  readonly bytes: string
  readonly answer: number | 'cut' | 'closed'
  /** The client ends its side after the bytes. */
  readonly ends?: true
}

const get = (lines: string, path = '/') => `GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`
const post = (lines: string, body: string) => `POST / HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n\r\n${body}`
const withHeader = (line: string) => get(`Host: ${host}\r\n${line}`)
const requestLine = (line: string) => `${line}\r\nHost: ${host}\r\n\r\n`
const chunked = (body: string) => post('Transfer-Encoding: chunked', body)

type Rows = readonly (readonly [string, string, HostileCase['answer']])[]
const named = (rows: Rows): HostileCase[] => rows.map(([name, bytes, answer]) => ({ name, bytes, answer }))

const lengths: Rows = [
  ['both lengths', post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['both lengths, the other way round', post('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n'), 400],
  ['both lengths, the length nothing', post('Content-Length: 0\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['both lengths in odd spelling', post('content-LENGTH: 5\r\ntransfer-ENCODING: Chunked', '0\r\n\r\n'), 400],
  ['two different lengths', post('Content-Length: 5\r\nContent-Length: 6', 'hello!'), 400],
  ['the same length twice', post('Content-Length: 5\r\nContent-Length: 5', 'hello'), 400],
  ['two lengths in two spellings', post('Content-Length: 5\r\ncontent-length: 5', 'hello'), 400],
  ['a length under an underscore', post('Content_Length: 5\r\nContent-Length: 0', ''), 200],
  ['a list of lengths', post('Content-Length: 5, 5', 'hello'), 400],
  ['a list of lengths without a space', post('Content-Length: 5,5', 'hello'), 400],
  ['a negative length', post('Content-Length: -5', 'hello'), 400],
  ['a signed length', post('Content-Length: +5', 'hello'), 400],
  ['a hexadecimal length', post('Content-Length: 0x5', 'hello'), 400],
  ['an octal length', post('Content-Length: 0o5', 'hello'), 400],
  ['an exponential length', post('Content-Length: 5e0', 'hello'), 400],
  ['a length with a fraction', post('Content-Length: 5.0', 'hello'), 400],
  ['a length with an underscore', post('Content-Length: 1_0', 'hellohello'), 400],
  ['a length with a space in it', post('Content-Length: 1 0', 'hellohello'), 400],
  ['a length in quotes', post('Content-Length: "5"', 'hello'), 400],
  ['a length with a unit', post('Content-Length: 5b', 'hello'), 400],
  ['a length with a semicolon', post('Content-Length: 5;', 'hello'), 400],
  ['an empty length', post('Content-Length:', 'hello'), 400],
  ['a blank length', post('Content-Length:   \t ', 'hello'), 400],
  ['a length of foreign digits', post('Content-Length: \xd9\xa5', 'hello'), 400],
  ['a length beyond all numbers', post('Content-Length: 99999999999999999999', 'hello'), 400],
  ['a length of 2^64', post('Content-Length: 18446744073709551616', 'hello'), 400],
  ['a length of 2^53 and one', post('Content-Length: 9007199254740993', 'hello'), 400],
  ['no number at all', post('Content-Length: five', 'hello'), 400],
  ['a length with spaces around', post('Content-Length: \t 5 \t', 'hello'), 200],
  ['a length with zeros ahead', post('Content-Length: 0005', 'hello'), 200],
  ['a transfer coding beside chunked', post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'), 501],
  ['an unknown transfer coding', post('Transfer-Encoding: xchunked', '0\r\n\r\n'), 501],
  ['chunked with something behind', post('Transfer-Encoding: chunkedx', '0\r\n\r\n'), 501],
  ['identity', post('Transfer-Encoding: identity', ''), 501],
  ['no transfer coding', post('Transfer-Encoding:', '0\r\n\r\n'), 501],
  ['a comma for a transfer coding', post('Transfer-Encoding: ,', '0\r\n\r\n'), 501],
  ['chunked and a comma', post('Transfer-Encoding: chunked,', '0\r\n\r\n'), 400],
  ['a comma and chunked', post('Transfer-Encoding: ,chunked', '0\r\n\r\n'), 501],
  ['chunked twice in one line', post('Transfer-Encoding: chunked, chunked', '0\r\n\r\n'), 501],
  ['chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  [
    'chunked, then identity in another line',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n'),
    400,
  ],
  ['chunked followed by another', post('Transfer-Encoding: chunked, identity', '0\r\n\r\n'), 400],
  ['chunked with a parameter', post('Transfer-Encoding: chunked;q=1', '0\r\n\r\n'), 501],
  ['chunked in quotes', post('Transfer-Encoding: "chunked"', '0\r\n\r\n'), 501],
  ['chunked with a vertical tab', post('Transfer-Encoding: \x0bchunked', '0\r\n\r\n'), 400],
  ['chunked with a form feed behind', post('Transfer-Encoding: chunked\x0c', '0\r\n\r\n'), 400],
  ['chunked with a no-break space', post('Transfer-Encoding: \xa0chunked', '0\r\n\r\n'), 501],
  ['chunked on a folded line', post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n'), 400],
  ['a space before the colon of the coding', post('Transfer-Encoding : chunked', '0\r\n\r\n'), 400],
  ['chunked in upper case', post('TRANSFER-ENCODING: CHUNKED', '0\r\n\r\n'), 200],
  ['a transfer coding under an underscore', post('Transfer_Encoding: chunked\r\nContent-Length: 5', 'hello'), 200],
  ['chunked in HTTP/1.0', `POST / HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['an unknown expectation', post('Expect: 200-maybe\r\nContent-Length: 5', 'hello'), 417],
  ['an empty expectation', post('Expect:\r\nContent-Length: 5', 'hello'), 417],
]

const chunks: Rows = [
  ['a chunk size that is no number', chunked('zz\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size with a sign', chunked('-5\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size with a plus', chunked('+5\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size with 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size beyond all numbers', chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size of 13 digits', chunked('0000000000005\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['an empty chunk size', chunked('\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size of an extension alone', chunked(';a=b\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk that is longer than it says', chunked('3\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk that is shorter than it says', chunked('6\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk without an end', chunked('5\r\nhelloX\r\n0\r\n\r\n'), 'cut'],
  ['a chunk that ends with a bare line feed', chunked('5\r\nhello\n0\r\n\r\n'), 'cut'],
  ['a chunk that ends with a bare carriage return', chunked('5\r\nhello\r0\r\n\r\n'), 'cut'],
  ['a chunk size with a space', chunked('5 \r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size with a tab', chunked('5\t\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a space ahead of a chunk size', chunked(' 5\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size that ends with a bare line feed', chunked('5\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk size with a bare carriage return', chunked('5\r;a\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk extension with a NUL', chunked('5;a\0b\r\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk extension that ends with a bare line feed', chunked('5;a\nhello\r\n0\r\n\r\n'), 'cut'],
  ['a chunk extension of 2 KiB', chunked(`5;${'a'.repeat(2_048)}\r\nhello\r\n0\r\n\r\n`), 'cut'],
  ['a last chunk that ends with a bare line feed', chunked('5\r\nhello\r\n0\n\r\n'), 'cut'],
  ['an end that is a bare line feed', chunked('5\r\nhello\r\n0\r\n\n'), 'cut'],
  ['a trailer without a colon', chunked('5\r\nhello\r\n0\r\nabc\r\n\r\n'), 'cut'],
  ['a trailer with a space before its colon', chunked('5\r\nhello\r\n0\r\na : b\r\n\r\n'), 'cut'],
  ['a folded trailer', chunked('5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n'), 'cut'],
  ['a trailer with a bare carriage return', chunked('5\r\nhello\r\n0\r\na: b\rc\r\n\r\n'), 'cut'],
  ['a trailer section of 10 KiB', chunked(`5\r\nhello\r\n0\r\na: ${'b'.repeat(10_240)}\r\n\r\n`), 'cut'],
  ['chunks with extensions', chunked('5;a=b\r\nhello\r\n0;c="d"\r\n\r\n'), 200],
  ['chunk sizes in both cases and with zeros', chunked('0A\r\nhellohello\r\n0a\r\nhellohello\r\n000\r\n\r\n'), 200],
  ['trailers that frame and route', chunked('5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n'), 200],
]

const lines: Rows = [
  ['a folded line', withHeader('X-A: b\r\n c'), 400],
  ['a folded line with a tab', withHeader('X-A: b\r\n\tc'), 400],
  ['a folded first line', `GET / HTTP/1.1\r\n Host: ${host}\r\n\r\n`, 400],
  ['a bare carriage return in a value', withHeader('X-A: b\rX-B: c'), 400],
  ['a bare carriage return ahead of a line end', withHeader('X-A: b\r'), 400],
  ['a bare carriage return as a line end', `GET / HTTP/1.1\rHost: ${host}\r\r`, 400],
  ['a bare line feed as a line end', `GET / HTTP/1.1\nHost: ${host}\n\n`, 400],
  ['a bare line feed between headers', `GET / HTTP/1.1\r\nHost: ${host}\nX-A: b\r\n\r\n`, 400],
  ['a bare line feed as the end', `GET / HTTP/1.1\r\nHost: ${host}\r\n\n`, 400],
  ['a space before the colon', get(`Host : ${host}`), 400],
  ['a tab before the colon', withHeader('X-A\t: b'), 400],
  ['a header without a name', withHeader(': b'), 400],
  ['a header without a colon', withHeader('X-A'), 400],
  ['a request line again', withHeader('GET / HTTP/1.1'), 400],
  ['a header name with a high byte', withHeader('X-\xe9: b'), 400],
  ['4,000 headers', get(`Host: ${host}\r\n${'a:b\r\n'.repeat(4_000)}X: y`), 431],
  ['201 headers', get(`Host: ${host}\r\n${'a:b\r\n'.repeat(199)}X: y`), 431],
  ['200 headers', get(`Host: ${host}\r\n${'a:b\r\n'.repeat(198)}X: y`), 200],
  ['a header section of 20 KiB', withHeader(`X-A: ${'a'.repeat(20_000)}`), 431],
  ['a header section of 20 KiB without an end', `GET / HTTP/1.1\r\nHost: ${host}\r\nX-A: ${'a'.repeat(20_000)}`, 431],
  ['a header section of 15 KiB', withHeader(`X-A: ${'a'.repeat(15_000)}`), 200],
  ['an empty value', withHeader('X-A:'), 200],
  ['a value of high bytes', withHeader('X-A: \xff\xfe\x80'), 200],
  ['a value with tabs', withHeader('X-A: a\tb'), 200],
  ['an empty line ahead', `\r\n${get(`Host: ${host}`)}`, 200],
]

const targets: Rows = [
  ['a NUL in the target', get(`Host: ${host}`, '/a\0b'), 400],
  ['a target of another host', get(`Host: ${host}`, 'http://other.localhost/'), 400],
  ['a target of another port', get(`Host: ${host}`, `http://${host}:81/`), 400],
  ['a target of another scheme', get(`Host: ${host}`, `ftp://${host}/`), 400],
  ['a target with a user', get(`Host: ${host}`, `http://a@${host}/`), 400],
  ['a target without a host', get(`Host: ${host}`, 'http:///'), 400],
  ['a target with a fragment', get(`Host: ${host}`, '/a#b'), 400],
  ['a target that is no path', get(`Host: ${host}`, 'a'), 400],
  ['a target of a query alone', get(`Host: ${host}`, '?a'), 400],
  ['an asterisk that is not for OPTIONS', get(`Host: ${host}`, '*'), 400],
  ['an asterisk with something behind', requestLine('OPTIONS */ HTTP/1.1'), 400],
  ['a space in the target', get(`Host: ${host}`, '/a b'), 400],
  ['a tab in the target', get(`Host: ${host}`, '/a\tb'), 400],
  ['two spaces ahead of the target', requestLine('GET  / HTTP/1.1'), 400],
  ['two spaces behind the target', requestLine('GET /  HTTP/1.1'), 400],
  ['a space behind the version', requestLine('GET / HTTP/1.1 '), 400],
  ['a tab for a space', requestLine('GET\t/\tHTTP/1.1'), 400],
  ['a target of 20 KiB', get(`Host: ${host}`, `/${'a'.repeat(20_000)}`), 431],
  ['the address of this host', get(`Host: ${host}`, `HTTP://${host.toUpperCase()}/x`), 200],
  ["dots and slashes, which are the service's", get(`Host: ${host}`, '//../%2e%2e/%00'), 200],
  ['raw bytes in the target', get(`Host: ${host}`, '/\xc3\xbc\xff'), 400],
  ['an unknown method', requestLine('SMUGGLE / HTTP/1.1'), 400],
  ['a method in lower case', requestLine('get / HTTP/1.1'), 400],
  ['a space before the method', requestLine(' GET / HTTP/1.1'), 400],
  ['no method', requestLine('/ HTTP/1.1'), 400],
  ['TRACE', requestLine('TRACE / HTTP/1.1'), 405],
  ['CONNECT', `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`, 405],
  ['HTTP/1.2', requestLine('GET / HTTP/1.2'), 400],
  ['HTTP/2.0', requestLine('GET / HTTP/2.0'), 400],
  ['HTTP/0.9 by name', requestLine('GET / HTTP/0.9'), 400],
  ['HTTP/1', requestLine('GET / HTTP/1'), 400],
  ['HTTP/1.10', requestLine('GET / HTTP/1.10'), 400],
  ['HTTP/01.1', requestLine('GET / HTTP/01.1'), 400],
  ['http/1.1', requestLine('GET / http/1.1'), 400],
  ['another protocol', requestLine('GET / SIP/1.1'), 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 505],
  ['the hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['the PROXY protocol', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${get(`Host: ${host}`)}`, 400],
]

const hosts: Rows = [
  ['no Host', get('X-A: b'), 400],
  ['no Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 400],
  ['two Hosts', get(`Host: ${host}\r\nHost: other.localhost`), 400],
  ['the same Host twice', get(`Host: ${host}\r\nhost: ${host}`), 400],
  ['an empty Host', get('Host:'), 400],
  ['a Host with a path', get(`Host: ${host}/x`), 400],
  ['a Host with a user', get(`Host: a@${host}`), 400],
  ['a Host with a space', get(`Host: ${host} other`), 400],
  ['a Host with a tab', get(`Host: ${host}\tother`), 400],
  ['a list of Hosts', get(`Host: ${host},other.localhost`), 400],
  ['a Host with two dots', get('Host: shop..localhost'), 400],
  ['a Host of a dot', get('Host: .'), 400],
  ['a Host that begins with a dash', get('Host: -shop.localhost'), 400],
  ['a Host with a long port', get(`Host: ${host}:123456`), 400],
  ['a Host with a port of letters', get(`Host: ${host}:a`), 400],
  ['a Host with an empty port', get(`Host: ${host}:`), 400],
  ['a Host with two ports', get(`Host: ${host}:1:2`), 400],
  ['a Host of markup', get('Host: <script>'), 400],
  ['a Host with a percent sign', get('Host: shop%2elocalhost'), 400],
  ['a Host with a backslash', get('Host: shop\\localhost'), 400],
  ['a Host of high bytes', get('Host: sh\xf6p.localhost'), 400],
  ['a Host in open brackets', get('Host: [::1'), 400],
  ['a Host that is too long', get(`Host: ${'a'.repeat(300)}.localhost`), 400],
  ['a Host that nobody has', get('Host: other.localhost'), 404],
  ['an upgrade with a bad Host', get('Host: a b\r\nConnection: Upgrade\r\nUpgrade: websocket'), 400],
  ['a Host that a Connection header wants removed', get(`Host: ${host}\r\nConnection: close, Host`), 200],
]

/** RFC 9110, 5.6.2: what no name may hold, and the control characters that no line may. */
const delimiters = '"(),/;<=>?@[\\]{}'
const controls = Array.from({ length: 33 }, (_, at) => String.fromCharCode(at === 32 ? 0x7f : at)).filter(
  (one) => !'\t\r\n'.includes(one),
)
const hex = (character: string): string => `byte 0x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
const characters: HostileCase[] = [
  ...[...delimiters].map((one) => ({ name: `${one} in a name`, bytes: withHeader(`X${one}A: b`), answer: 400 })),
  ...controls.flatMap((one) => [
    { name: `${hex(one)} in a name`, bytes: withHeader(`X${one}A: b`), answer: 400 },
    { name: `${hex(one)} in a value`, bytes: withHeader(`X-A: b${one}c`), answer: 400 },
    { name: `${hex(one)} in the target`, bytes: get(`Host: ${host}`, `/a${one}b`), answer: 400 },
    { name: `${hex(one)} ahead of everything`, bytes: `${one}${get(`Host: ${host}`)}`, answer: 400 },
  ]),
]

const whole = post('Content-Length: 5', 'hello')
const truncated: HostileCase[] = [
  { name: 'a connection that says nothing', bytes: '', answer: 'closed', ends: true },
  { name: 'half a request line', bytes: 'GET / HT', answer: 400, ends: true },
  { name: 'half a header', bytes: `GET / HTTP/1.1\r\nHost: ${host}\r\nX-`, answer: 400, ends: true },
  { name: 'a head without its last line feed', bytes: get(`Host: ${host}`).slice(0, -1), answer: 400, ends: true },
  { name: 'no body where one was announced', bytes: whole.slice(0, -5), answer: 'cut', ends: true },
  { name: 'half a body', bytes: whole.slice(0, -2), answer: 'cut', ends: true },
  { name: 'half a chunk size', bytes: chunked('5'), answer: 'cut', ends: true },
  { name: 'half a chunk', bytes: chunked('5\r\nhel'), answer: 'cut', ends: true },
  { name: 'no last chunk', bytes: chunked('5\r\nhello\r\n'), answer: 'cut', ends: true },
  { name: 'a last chunk without its end', bytes: chunked('5\r\nhello\r\n0\r\n'), answer: 'cut', ends: true },
]

export const hostileCases: readonly HostileCase[] = [
  ...named([...lengths, ...chunks, ...lines, ...targets, ...hosts]),
  ...characters,
  ...truncated,
]
