import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSpool, type SpoolLimits } from './spool.ts'

const limits: SpoolLimits = { batchBytes: 64 * 1024, fileBytes: 1024 * 1024, keptBytes: 256 * 1024 }

const begin = (context: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-spool-'))
  const file = join(directory, 'stdout')
  const spool = openSpool(file, 0, limits)
  context.after(() => {
    spool.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    ...spool,
    write: (text: string) => appendFileSync(file, text),
    sizeBytes: () => statSync(file).size,
    texts: () => spool.read().map(({ text }) => text),
  }
}

/** Lines of 1 KiB that say which they are. */
const linesFrom = (first: number, count: number): string =>
  Array.from({ length: count }, (_, index) => `${String(first + index).padStart(1023, '.')}\n`).join('')
const numberOf = (text: string): number => Number(text.replaceAll('.', ''))

test('what was read to its end is emptied, and what comes then is read from the start', (context) => {
  const spool = begin(context)
  spool.write(linesFrom(0, 64))
  assert.deepEqual(
    spool.texts().map(numberOf),
    Array.from({ length: 64 }, (_, index) => index),
  )
  assert.equal(spool.empty(), true)
  assert.equal(spool.sizeBytes(), 0)
  spool.write('more\n')
  assert.deepEqual(spool.read(), [{ text: 'more', end: 5 }])
})

test('a spool whose writer is always ahead does not grow without an end: the gap is told, nothing else is lost', (context) => {
  const spool = begin(context)
  let written = 0
  let largest = 0
  const texts: string[] = []
  for (let turn = 0; turn < 400; turn += 1) {
    // Between two looks more comes than a batch, and something right after each: it is never read to its end.
    spool.write(linesFrom(written, 80))
    texts.push(...spool.texts())
    spool.write(linesFrom(written + 80, 1))
    written += 81
    spool.empty()
    largest = Math.max(largest, spool.sizeBytes())
  }
  assert.ok(largest <= 2 * limits.fileBytes, `${largest} bytes`)
  while (true) {
    const more = spool.texts()
    if (more.length === 0) break
    texts.push(...more)
  }
  const isGap = (text: string): boolean => text.startsWith('[headway: ')
  const skipped = texts.filter(isGap).reduce((total, text) => total + Number(/\d+/.exec(text)?.[0]), 0)
  const kept = texts.filter((text) => !isGap(text))
  const bytes = kept.reduce((total, text) => total + text.length + 1, 0)
  assert.ok(texts.some(isGap))
  assert.equal(bytes + skipped, written * 1024)
  assert.equal(numberOf(kept.at(-1) ?? ''), written - 1)
})

test('a line that never ends is cut, and its spool is emptied', (context) => {
  const spool = begin(context)
  for (let turn = 0; turn < 40; turn += 1) {
    spool.write('x'.repeat(64 * 1024))
    assert.deepEqual(spool.texts(), [])
    spool.empty()
    assert.ok(spool.sizeBytes() <= 2 * limits.fileBytes)
  }
  assert.ok(spool.sizeBytes() < 2 * limits.fileBytes)
  spool.write('\nnext\n')
  const [cut, next] = spool.texts()
  assert.match(cut ?? '', /^x{65536}[^x]/)
  assert.equal(next, 'next')
})

test('of what came while nobody read only the newest is kept, and how much was skipped is said', (context) => {
  const spool = begin(context)
  spool.write(linesFrom(0, 2000))
  const first = spool.texts()
  assert.equal(first[0], `[headway: ${2000 * 1024 - limits.keptBytes} bytes of output were skipped]`)
  assert.equal(numberOf(first[1] ?? ''), 2000 - limits.keptBytes / 1024)
})
