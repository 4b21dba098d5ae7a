import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, createDeflateRaw, createInflateRaw } from 'node:zlib'

/** A file on its way into an archive. */
export type ZipInput = {
  /** Relative, with slashes. */
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
  readonly content: AsyncIterable<Uint8Array>
}

const signatures = { local: 0x04034b50, descriptor: 0x08074b50, central: 0x02014b50, end: 0x06054b50 }
const signatures64 = { end: 0x06064b50, locator: 0x07064b50 }
/** Sizes follow the content, names are UTF-8. */
const flags = 0x0808
const deflated = 8
const stored = 0
const most32 = 0xffff_ffff
const most16 = 0xffff
/** Incompressible content grows by deflating; sizes are written large well before they must be. */
const large = most32 - 64 * 1024 * 1024

type Written = { name: Buffer; time: number; crc: number; packed: number; size: number; offset: number; is64: boolean }

/**
 * A zip archive (PKWARE's APPNOTE 6.3.10) of these files, as it is made: nothing is held in memory. Level 0 to 9 is zlib's; also at 0 the
 * entries are deflated, as readers of a stream find the end of those only.
 */
export async function* zipOf(files: AsyncIterable<ZipInput>, level: number): AsyncGenerator<Buffer> {
  const written: Written[] = []
  let offset = 0
  const count = (bytes: Buffer): Buffer => {
    offset += bytes.length
    return bytes
  }
  for await (const file of files) {
    const name = Buffer.from(file.name)
    const entry = { name, time: dosTime(file.modifiedAt), offset, is64: file.sizeBytes >= large }
    yield count(localHeader(entry))
    const begun = offset
    let [crc, size] = [0, 0]
    const deflate = createDeflateRaw({ level })
    const counted = async function* () {
      for await (const chunk of file.content) {
        crc = crc32(chunk, crc)
        size += chunk.length
        yield chunk
      }
    }
    const packing = pipeline(counted(), deflate)
    packing.catch(() => undefined) // told by the loop, too
    for await (const chunk of deflate) yield count(chunk)
    await packing
    const packed = offset - begun
    yield count(descriptor(crc, packed, size, entry.is64))
    written.push({ ...entry, crc, packed, size })
  }
  const directory = offset
  for (const entry of written) yield count(centralHeader(entry))
  yield endOf(written.length, directory, offset - directory)
}

const localHeader = ({ name, time, is64 }: Pick<Written, 'name' | 'time' | 'is64'>): Buffer => {
  const header = Buffer.alloc(30)
  header.writeUInt32LE(signatures.local, 0)
  header.writeUInt16LE(is64 ? 45 : 20, 4)
  header.writeUInt16LE(flags, 6)
  header.writeUInt16LE(deflated, 8)
  header.writeUInt32LE(time, 10)
  header.writeUInt16LE(name.length, 26)
  const extra = is64 ? extra64([0, 0]) : Buffer.alloc(0)
  if (is64) header.writeUInt32LE(most32, 18)
  if (is64) header.writeUInt32LE(most32, 22)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, name, extra])
}

const descriptor = (crc: number, packed: number, size: number, is64: boolean): Buffer => {
  const bytes = Buffer.alloc(is64 ? 24 : 16)
  bytes.writeUInt32LE(signatures.descriptor, 0)
  bytes.writeUInt32LE(crc, 4)
  if (is64) {
    bytes.writeBigUInt64LE(BigInt(packed), 8)
    bytes.writeBigUInt64LE(BigInt(size), 16)
  } else {
    bytes.writeUInt32LE(packed, 8)
    bytes.writeUInt32LE(size, 12)
  }
  return bytes
}

const centralHeader = ({ name, time, crc, packed, size, offset, is64 }: Written): Buffer => {
  const needs64 = is64 || offset >= most32
  const extra = needs64 ? extra64([size, packed, offset]) : Buffer.alloc(0)
  const header = Buffer.alloc(46)
  header.writeUInt32LE(signatures.central, 0)
  header.writeUInt16LE((3 << 8) | 45, 4) // made on Unix, so that the mode below is read
  header.writeUInt16LE(needs64 ? 45 : 20, 6)
  header.writeUInt16LE(flags, 8)
  header.writeUInt16LE(deflated, 10)
  header.writeUInt32LE(time, 12)
  header.writeUInt32LE(crc, 16)
  header.writeUInt32LE(needs64 ? most32 : packed, 20)
  header.writeUInt32LE(needs64 ? most32 : size, 24)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt32LE((0o100644 << 16) >>> 0, 38)
  header.writeUInt32LE(needs64 ? most32 : offset, 42)
  return Buffer.concat([header, name, extra])
}

const extra64 = (values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 + values.length * 8)
  bytes.writeUInt16LE(1, 0)
  bytes.writeUInt16LE(values.length * 8, 2)
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), 4 + index * 8)
  return bytes
}

const endOf = (count: number, offset: number, size: number): Buffer => {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(signatures.end, 0)
  end.writeUInt16LE(Math.min(count, most16), 8)
  end.writeUInt16LE(Math.min(count, most16), 10)
  end.writeUInt32LE(Math.min(size, most32), 12)
  end.writeUInt32LE(Math.min(offset, most32), 16)
  if (count < most16 && size < most32 && offset < most32) return end
  const end64 = Buffer.alloc(56 + 20)
  end64.writeUInt32LE(signatures64.end, 0)
  end64.writeBigUInt64LE(44n, 4)
  end64.writeUInt16LE(45, 12)
  end64.writeUInt16LE(45, 14)
  end64.writeBigUInt64LE(BigInt(count), 24)
  end64.writeBigUInt64LE(BigInt(count), 32)
  end64.writeBigUInt64LE(BigInt(size), 40)
  end64.writeBigUInt64LE(BigInt(offset), 48)
  end64.writeUInt32LE(signatures64.locator, 56)
  end64.writeBigUInt64LE(BigInt(offset + size), 64)
  end64.writeUInt32LE(1, 72)
  return Buffer.concat([end64, end])
}

/** Seconds in pairs since midnight and days since 1980, in local time; zip knows no other. */
const dosTime = (at: Date): number => {
  const year = Math.min(Math.max(at.getFullYear(), 1980), 2107)
  const date = ((year - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate()
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1)
  return ((date << 16) | time) >>> 0
}

/** Where an archive is read from. */
export type ByteSource = {
  /** What it was uploaded as: `application/zip`. */
  readonly mime: string
  readonly sizeBytes: number
  /** The bytes from `start` up to `end`, without that one. */
  read(start: number, end: number): Promise<Buffer>
  /** All of them, in order. */
  stream(): Promise<AsyncIterable<Uint8Array>>
}

export type ZipEntry = {
  readonly name: string
  readonly isDirectory: boolean
  readonly sizeBytes: number
  readonly content: AsyncIterable<Buffer>
}

type Listed = { name: string; method: number; crc: number; packed: number; size: number; offset: number }

const longestDirectoryBytes = 256 * 1024 * 1024

/**
 * The entries of a zip archive, in the order in which they stand in it; each content must be read to its end before the next is asked
 * for. Names are checked: none is absolute or leads upwards. Throws an Error for what is no such archive, or encrypted, or damaged.
 */
export async function* entriesOf(source: ByteSource): AsyncGenerator<ZipEntry> {
  const listed = (await directoryOf(source)).toSorted((one, other) => one.offset - other.offset)
  const cursor = cursorOver(await source.stream())
  for (const entry of listed) {
    if (entry.offset < cursor.at()) throw broken('two of its entries overlap')
    await cursor.skip(entry.offset - cursor.at())
    const header = await cursor.take(30)
    if (header.readUInt32LE(0) !== signatures.local) throw broken('an entry does not begin where it should')
    await cursor.skip(header.readUInt16LE(26) + header.readUInt16LE(28))
    const packed = cursor.slice(entry.packed)
    const isDirectory = entry.name.endsWith('/')
    const content = isDirectory ? packed : unpacked(packed, entry)
    yield { name: checkedName(entry.name), isDirectory, sizeBytes: isDirectory ? 0 : entry.size, content }
    for await (const _ of packed) {
      // what nobody wanted
    }
  }
  await cursor.drain()
}

async function* unpacked(packed: AsyncIterable<Buffer>, entry: Listed): AsyncGenerator<Buffer> {
  let [crc, size] = [0, 0]
  for await (const chunk of entry.method === stored ? packed : inflated(packed)) {
    crc = crc32(chunk, crc)
    size += chunk.length
    if (size > entry.size) throw broken(`${entry.name} is larger than it says`)
    yield chunk
  }
  if (size !== entry.size || crc !== entry.crc) throw broken(`${entry.name} is not what was packed`)
}

async function* inflated(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw()
  const unpacking = pipeline(Readable.from(packed, { objectMode: false }), inflate)
  unpacking.catch(() => undefined) // told by the loop, too
  for await (const chunk of inflate) yield chunk
  await unpacking
}

const directoryOf = async (source: ByteSource): Promise<Listed[]> => {
  const tailStart = Math.max(0, source.sizeBytes - 22 - most16)
  const tail = await source.read(tailStart, source.sizeBytes)
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  if (at < 0 || at + 22 > tail.length) throw broken('it has no directory')
  const end = await endRecord(source, tail, at, tailStart)
  if (end.size > longestDirectoryBytes || end.offset + end.size > source.sizeBytes)
    throw broken('its directory is too large')
  const directory = await source.read(end.offset, end.offset + end.size)
  const listed: Listed[] = []
  for (let place = 0; place + 46 <= directory.length; ) {
    if (directory.readUInt32LE(place) !== signatures.central) throw broken('its directory is damaged')
    const [nameLength, extraLength] = [directory.readUInt16LE(place + 28), directory.readUInt16LE(place + 30)]
    const next = place + 46 + nameLength + extraLength + directory.readUInt16LE(place + 32)
    if (next > directory.length) throw broken('its directory is damaged')
    listed.push(listedAt(directory, place, nameLength, extraLength))
    place = next
  }
  return listed
}

const endRecord = async (source: ByteSource, tail: Buffer, at: number, tailStart: number) => {
  const end = { size: tail.readUInt32LE(at + 12), offset: tail.readUInt32LE(at + 16) }
  if (end.size !== most32 && end.offset !== most32 && tail.readUInt16LE(at + 10) !== most16) return end
  const locator = at - 20
  if (locator < 0 || tail.readUInt32LE(locator) !== signatures64.locator) return end
  const place = Number(tail.readBigUInt64LE(locator + 8))
  if (place + 56 > tailStart + tail.length) throw broken('its directory is damaged')
  const record = await source.read(place, place + 56)
  if (record.readUInt32LE(0) !== signatures64.end) throw broken('its directory is damaged')
  return { size: Number(record.readBigUInt64LE(40)), offset: Number(record.readBigUInt64LE(48)) }
}

const listedAt = (directory: Buffer, place: number, nameLength: number, extraLength: number): Listed => {
  const name = directory.toString('utf8', place + 46, place + 46 + nameLength)
  const extra = directory.subarray(place + 46 + nameLength, place + 46 + nameLength + extraLength)
  const large = largeValues(extra)
  const value = (bytes: number): number => (bytes === most32 ? Number(large.shift() ?? 0n) : bytes)
  const [flagBits, method] = [directory.readUInt16LE(place + 8), directory.readUInt16LE(place + 10)]
  if ((flagBits & 1) !== 0) throw broken(`${name} is encrypted`)
  if (method !== stored && method !== deflated) throw broken(`${name} is packed in a way that is not known (${method})`)
  const size = value(directory.readUInt32LE(place + 24))
  const packed = value(directory.readUInt32LE(place + 20))
  const offset = value(directory.readUInt32LE(place + 42))
  return { name, method, crc: directory.readUInt32LE(place + 16), packed, size, offset }
}

const largeValues = (extra: Buffer): bigint[] => {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue
    const length = Math.min(extra.readUInt16LE(at + 2), extra.length - at - 4)
    return Array.from({ length: Math.floor(length / 8) }, (_, index) => extra.readBigUInt64LE(at + 4 + index * 8))
  }
  return []
}

/** A relative path without a way up; what is written there stays below. */
export const checkedName = (name: string): string => {
  const path = name.replace(/^\.\//, '').replace(/\/$/, '')
  const isHarmless = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isHarmless || path.includes('\0'))
    throw broken(`${JSON.stringify(name.slice(0, 200))} is no path below the place where it is unpacked`)
  return path
}

/** Reads a stream piece by piece. */
const cursorOver = (bytes: AsyncIterable<Uint8Array>) => {
  const iterator = bytes[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  let at = 0
  /** At most so many of the next bytes; empty at the end. */
  const some = async (most: number): Promise<Buffer> => {
    while (held.length === 0) {
      const next = await iterator.next()
      if (next.done) return held
      held = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    }
    const piece = held.subarray(0, most)
    held = held.subarray(piece.length)
    at += piece.length
    return piece
  }
  async function* slice(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const piece = await some(left)
      if (piece.length === 0) throw broken('it ends too early')
      left -= piece.length
      yield piece
    }
  }
  return {
    at: () => at,
    slice,
    skip: async (length: number): Promise<void> => {
      for await (const _ of slice(length)) {
        // passed over
      }
    },
    take: async (length: number): Promise<Buffer> => {
      const pieces: Buffer[] = []
      for await (const piece of slice(length)) pieces.push(piece)
      return Buffer.concat(pieces)
    },
    drain: async (): Promise<void> => {
      while ((await some(most32)).length > 0);
    },
  }
}

const broken = (what: string): Error => new Error(`this is no zip archive that can be unpacked: ${what}`)
