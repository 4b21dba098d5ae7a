import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import { Digest } from '../names.ts'
import { writeDurably } from '../processes/files.ts'
import { createLineParser, type LogLine } from './jobs/log-lines.ts'

export type { LogLine } from './jobs/log-lines.ts'

/** The logs of all jobs: `<runs>/<run>/<job>.log`, as `jobs/log-lines.ts` has them. */
export type LogBook = {
  /** The file of a job's log, its folder made; until `end(file)` followers wait for more. */
  begin(run: string, job: string): Promise<string>
  grew(file: string): void
  end(file: string): void
  /** How long a job's log is, up to the end of its last whole line; 0 where there is none. */
  wholeBytes(run: string, job: string): Promise<number>
  /** Writes what a runner on another machine has logged to its place in the file, which `begin` has made. */
  put(run: string, job: string, position: number, text: string): Promise<void>
  /** The lines of a job's log, oldest first; with `follow`, on until the job has ended. Nothing where there is no log. */
  read(run: string, job: string, options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<LogLine>
  /** Keeps a job's summary beside its log, in Markdown, and resolves to its digest; null where there is none. */
  keepSummary(run: string, job: string, text: string): Promise<Digest | null>
  /** Empty where there is none. */
  summary(run: string, job: string): Promise<string>
  /** Removes the logs of all runs but these; resolves to how many. */
  keepOnly(runs: ReadonlySet<string>): Promise<number>
}

const chunkBytes = 64 * 1024
/** Lines are cut at 64 KiB of the job's own; with their masks and marks they stay far below this. */
const longestTailBytes = 1024 * 1024

export const createLogBook = (directory: string): LogBook => {
  const open_ = new Set<string>()
  const events = new EventEmitter().setMaxListeners(0)
  const fileOf = (run: string, job: string): string => join(directory, safe(run), `${safe(job)}.log`)
  const summaryOf = (run: string, job: string): string => join(directory, safe(run), `${safe(job)}.summary.md`)
  return {
    begin: async (run, job) => {
      const file = fileOf(run, job)
      await effect('build.make-log', async () => {
        await mkdir(join(directory, safe(run)), { recursive: true, mode: 0o700 })
        await (await open(file, 'a', 0o600)).close()
      })
      open_.add(file)
      return file
    },
    grew: (file) => {
      events.emit(file)
    },
    end: (file) => {
      open_.delete(file)
      events.emit(file)
    },
    wholeBytes: async (run, job) => {
      await using handle = await open(fileOf(run, job), 'r').catch(() => null)
      if (handle === null) return 0
      const { size } = await handle.stat()
      const tail = Buffer.alloc(Math.min(size, longestTailBytes))
      await handle.read(tail, 0, tail.length, size - tail.length)
      return size - tail.length + tail.lastIndexOf(10) + 1
    },
    put: async (run, job, position, text) => {
      const file = fileOf(run, job)
      await effect('build.put-log', async () => {
        await using handle = await open(file, 'r+')
        const bytes = Buffer.from(text)
        for (let done = 0; done < bytes.length; )
          done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
      })
      events.emit(file)
    },
    read: (run, job, { follow = false, signal } = {}) => {
      const file = fileOf(run, job)
      const isGrowing = (): boolean => follow && open_.has(file) && !signal?.aborted
      const more = async (): Promise<void> => {
        await once(events, file, signal ? { signal } : {}).catch(() => undefined)
      }
      return linesOf(file, isGrowing, more)
    },
    keepSummary: async (run, job, text) => {
      if (text === '') return null
      await effect('build.keep-summary', async () => {
        await mkdir(join(directory, safe(run)), { recursive: true, mode: 0o700 })
        writeDurably(summaryOf(run, job), text)
      })
      return Digest.parse(`sha256:${createHash('sha256').update(text).digest('hex')}`)
    },
    summary: (run, job) => readFile(summaryOf(run, job), 'utf8').catch(() => ''),
    keepOnly: async (runs) => {
      const others = (await readdir(directory).catch(() => [])).filter((run) => !runs.has(run))
      for (const run of others)
        await effect('build.remove-logs', () => rm(join(directory, run), { recursive: true, force: true }))
      return others.length
    },
  }
}

/** Under which name a job's log is kept: that of a later attempt stands beside the first one's. */
export const logKey = (job: string, attempt: number): string => (attempt === 1 ? job : `${attempt}.${job}`)

/** Job keys and run ids are safe by how they are made; a request's are not. */
const safe = (name: string): string => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a run or job`)
  return name
}

const linesOf = async function* (
  file: string,
  isGrowing: () => boolean,
  more: () => Promise<void>,
): AsyncGenerator<LogLine> {
  const handle = await open(file, 'r').catch(() => null)
  if (handle === null) return
  try {
    const buffer = Buffer.alloc(chunkBytes)
    let rest = Buffer.alloc(0)
    const parse = createLineParser()
    for (let isAtEnd = false; ; ) {
      // Asked for before reading once more: what is written in between must not be waited for.
      const wasGrowing = isGrowing()
      const grown = isAtEnd && wasGrowing ? more() : Promise.resolve()
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null)
      if (bytesRead === 0) {
        if (!wasGrowing) return
        isAtEnd = true
        await grown
        continue
      }
      isAtEnd = false
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      const end = bytes.lastIndexOf(10) + 1
      rest = bytes.subarray(end)
      yield* parse(bytes.toString('utf8', 0, end))
    }
  } finally {
    await handle.close()
  }
}
