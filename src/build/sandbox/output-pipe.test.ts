import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAnnotations } from '../jobs/annotations.ts'
import { createMask } from '../jobs/mask.ts'
import { createMatchers } from '../jobs/matchers.ts'
import { createOutputReader } from '../jobs/output.ts'
import { openOutputPipe } from './output-pipe.ts'

/** Prints numbered lines, waits in their middle until the pipe holds more than any does at first, and says then how much that is. */
const loud = `
$| = 1;
sub lines { print join '', map("$_ é topsecret ::not a command " . 'x' x ($_ % 97) . "\\n", $_[0] .. $_[1]) }
lines(1, 40_000);
for (1 .. 6000) { select(undef, undef, undef, 0.01) if fcntl(STDOUT, 1032, 0) <= 65_536 }
lines(40_001, 100_000);
print "::add-mask::another\\nanother ", fcntl(STDOUT, 1032, 0);
`

test('what a loud program prints arrives whole and hidden, while its pipe is widened and its log makes it wait', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-pipe-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const fifo = join(directory, 'out')
  execFileSync('mkfifo', [fifo])
  const pipe = openOutputPipe(fifo)
  assert.ok(pipe)
  let text = ''
  let writes = 0
  const log = {
    write: (lines: string | Buffer) => {
      text += lines.toString()
      writes += 1
      return writes % 3 > 0
    },
    drained: () => new Promise<void>((resolve) => void setImmediate(resolve)),
    lastLines: () => [],
    markTail: () => undefined,
    close: async () => undefined,
  }
  const mask = createMask(['topsecret'])
  const parts = { log, mask, annotations: createAnnotations(), matchers: createMatchers(), readFile: () => '' }
  createOutputReader({ ...parts, work: '/work', isDebug: false }, { name: 'step', env: {} }).read(pipe)
  const ended = new Promise((resolve) => pipe.once('close', resolve))
  const child = spawn('sh', ['-c', 'exec perl -e "$1" >"$2"', 'sh', loud, fifo], { stdio: 'inherit' })
  t.after(() => child.kill())
  await ended
  const lines = Array.from(
    { length: 100_000 },
    (_, at) => `${at + 1} é *** ::not a command ${'x'.repeat((at + 1) % 97)}\n`,
  )
  assert.ok(text === `${lines.join('')}*** 524288\n`, `${text.length} characters, at last ${text.slice(-200)}`)
})

test('what is no named pipe is not read', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-pipe-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  execFileSync('sh', ['-c', 'cd "$1" && echo text > file && mkfifo pipe && ln -s pipe link', 'sh', directory])
  assert.deepEqual(
    ['file', 'link', 'nothing'].map((name) => openOutputPipe(join(directory, name))),
    [null, null, null],
  )
})
