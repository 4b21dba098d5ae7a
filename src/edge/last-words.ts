import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import type { EdgeCounters, EdgeSamples } from './protocol.ts'

/** What an edge had counted when it ended: left in a file, as nobody may be there to ask it in that very moment. */
export type LastWords = { readonly counters: EdgeCounters; readonly samples: EdgeSamples }

const named = /^edge-last-([0-9a-f-]{36})\.json$/

export const leaveLastWords = (directory: string, { counters, samples }: LastWords): void => {
  const file = join(directory, `edge-last-${counters.epoch}.json`)
  effectSync('edge.last-words', () => {
    writeFileSync(`${file}.tmp`, JSON.stringify({ counters, samples }), { mode: 0o600 })
    renameSync(`${file}.tmp`, file)
  })
}

/** The files of edges that have ended, by the epoch of their counts. */
export const lastWordsIn = (directory: string): { readonly epoch: string; readonly file: string }[] =>
  readdirSync(directory).flatMap((name) => {
    const epoch = named.exec(name)?.[1]
    return epoch === undefined ? [] : { epoch, file: join(directory, name) }
  })

export const readLastWords = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

export const forgetLastWords = (file: string): void =>
  effectSync('edge.last-words-forget', () => rmSync(file, { force: true }))
