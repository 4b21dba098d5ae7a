import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { effect, effectSync } from '../../../effect.ts'
import { writeDurably } from '../../../processes/files.ts'
import type { JobResult } from '../../jobs/result.ts'
import { ResultBody } from '../protocol.ts'
import { readLines } from './spool.ts'

/** A job as a runner remembers it across its own death: enough to end what is left of it, and no secret. */
const Kept = z.object({
  fence: z.number().int(),
  run: z.string(),
  key: z.string(),
  /** What the markers of its processes begin with. */
  marker: z.string(),
  /** What it may have left on the disk. */
  directory: z.string(),
})
export type KeptJob = z.infer<typeof Kept>

/** What a runner has been given: one folder for each job, until the server says that it is over. */
export type Records = {
  /** With how it ended, if it did. */
  list(): Promise<{ readonly kept: KeptJob; readonly result: JobResult | null }[]>
  /** Notes a job durably, before anything of it is started. */
  begin(kept: KeptJob): Promise<void>
  logFile(fence: number): string
  /** Whole lines of the job's log from a byte on, as many as are sent at once, and whether that is all there is. */
  readLog(fence: number, offset: number): Promise<{ readonly text: string; readonly isAll: boolean }>
  /** Notes durably how a job ended. */
  end(fence: number, result: JobResult): void
  drop(fence: number): Promise<void>
}

export const createRecords = (directory: string): Records => {
  const folderOf = (fence: number): string => join(directory, String(fence))
  const read = async (file: string): Promise<unknown> => readFile(file, 'utf8').then(JSON.parse, () => null)
  return {
    list: async () => {
      const folders = await readdir(directory).catch(() => [])
      const found = await Promise.all(
        folders.map(async (folder) => {
          const kept = Kept.safeParse(await read(join(directory, folder, 'job.json')))
          const result = ResultBody.safeParse(await read(join(directory, folder, 'result.json')))
          // Without a whole note nothing of the job was started.
          if (!kept.success)
            await effect('runner.remove-half-note', () => rm(join(directory, folder), { recursive: true, force: true }))
          return kept.success ? [{ kept: kept.data, result: result.success ? result.data : null }] : []
        }),
      )
      return found.flat()
    },
    begin: async (kept) => {
      await effect('runner.make-folder', () => mkdir(folderOf(kept.fence), { recursive: true, mode: 0o700 }))
      effectSync('runner.note-job', () => writeDurably(join(folderOf(kept.fence), 'job.json'), JSON.stringify(kept)))
    },
    logFile: (fence) => join(folderOf(fence), 'log'),
    readLog: (fence, offset) => readLines(join(folderOf(fence), 'log'), offset),
    end: (fence, result) =>
      effectSync('runner.note-result', () =>
        writeDurably(join(folderOf(fence), 'result.json'), JSON.stringify(result)),
      ),
    drop: (fence) => effect('runner.drop-job', () => rm(folderOf(fence), { recursive: true, force: true })),
  }
}
