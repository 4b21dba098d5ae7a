import { hkdfSync, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../../effect.ts'

const dayMs = 86_400_000
/** What is on disk says how sessions of the past days can be read by whoever also recorded them (of TLS 1.2). */
const secretLivesMs = 7 * dayMs

/**
 * The keys by which a client takes up a session again: those of one day, the same in every process that answers on the port. They come
 * from a secret in the edge's directory (0600), which is replaced each week.
 */
export const ticketKeys = (state: string, nowMs: number): Buffer => {
  const day = Math.floor(nowMs / dayMs)
  return Buffer.from(
    hkdfSync('sha256', secretIn(join(state, 'edge-ticket-secret'), nowMs), '', `tickets of day ${day}`, 48),
  )
}

const secretIn = (file: string, nowMs: number): Buffer => {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found && nowMs - found.mtimeMs < secretLivesMs) {
    const secret = readFileSync(file)
    if (secret.length === 32) return secret
  }
  const secret = randomBytes(32)
  const fresh = `${file}.${process.pid}.tmp`
  try {
    effectSync('edge.ticket-secret', () => {
      writeFileSync(fresh, secret, { mode: 0o600 })
      renameSync(fresh, file)
    })
    return readFileSync(file) // of two that wrote at once, the later one's is everybody's within the hour
  } catch {
    effectSync('edge.ticket-secret-drop', () => rmSync(fresh, { force: true }))
    return secret
  }
}
