import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { type Cgroups, openCgroups } from '../../processes/cgroups.ts'
import { type TestClock, testClock } from '../../testing.ts'
import { createMeter, type Meter } from './meter.ts'

const mebibyte = 1024 ** 2
const limits = { memoryBytes: null, cpus: null, processes: null, diskBytes: 8 * mebibyte }

let root: string
let clock: TestClock
let cgroups: Cgroups
let meter: Meter
const problems: string[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'headway-meter-'))
  clock = testClock()
  cgroups = openCgroups('headway-meter-test', clock, () => undefined)
  meter = createMeter(clock, cgroups, (text) => problems.push(text))
})
afterEach(() => {
  cgroups.close()
  rmSync(root, { recursive: true, force: true })
  assert.deepEqual(problems.splice(0), [])
})

const watched = async (name: string) => {
  const directory = join(root, name)
  mkdirSync(directory)
  let tell: (reason: Error) => void = () => undefined
  const over = new Promise<string>((resolve) => {
    tell = (reason) => resolve(reason.message)
  })
  const family = { marker: `${directory}/`, directory, sessions: new Set<number>(), user: null }
  const watching = await meter.watch({ id: name, family, directory, limits, onOver: tell })
  return { directory, over, stop: watching.stop }
}

const write = (file: string, mebibytes: number): void => writeFileSync(file, Buffer.alloc(mebibytes * mebibyte, 1))

/** Turns the clock until something is told, each look at the real disk in between. */
const turnUntil = async (told: Promise<string>): Promise<string> => {
  let said: string | null = null
  told.then((text) => {
    said = text
  })
  while (said === null && clock.monotonicMs() < 60_000) {
    if (clock.sleeping > 0) await clock.advance(250)
    else await new Promise((resolve) => setImmediate(resolve))
  }
  return said ?? 'nothing was told'
}

test('a job that goes over its limit while others free as much is ended', async () => {
  const others = join(root, 'others')
  write(others, 64)
  const job = await watched('job')
  rmSync(others)
  write(join(job.directory, 'file'), 9)
  assert.equal(await turnUntil(job.over), 'the job was ended: more than 8 MiB on the disk')
})

test('a job that keeps to its limit is left alone, whatever others write', async () => {
  const job = await watched('job')
  write(join(job.directory, 'file'), 7)
  write(join(root, 'others'), 64)
  const greedy = await watched('greedy')
  write(join(greedy.directory, 'file'), 9)
  await turnUntil(greedy.over) // by then both were walked
  assert.equal(await Promise.race([job.over, Promise.resolve('left alone')]), 'left alone')
  job.stop()
})
