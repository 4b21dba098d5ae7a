import { appendFileSync, renameSync, statSync } from 'node:fs'
import { effectSync } from '../effect.ts'

/** A line of the agent's own log. Never holds a secret. */
export type Say = (line: string) => void

const maxBytes = 5 * 1024 * 1024

/** Appends to the file, and moves it aside (`.1`) when it has grown to 5 MiB. A full disk silences it and stops nothing. */
export const openLog =
  (file: string): Say =>
  (line) => {
    try {
      const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
      if (sizeBytes > maxBytes) effectSync('agent.log-rotate', () => renameSync(file, `${file}.1`))
      const entry = `${new Date().toISOString()} agent ${process.pid}: ${line.replaceAll('\n', ' | ')}\n`
      effectSync('agent.log-append', () => appendFileSync(file, entry, { mode: 0o600 }))
    } catch {
      // nowhere left to say it
    }
  }
