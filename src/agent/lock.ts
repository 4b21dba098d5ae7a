import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { identityOf, isAlive } from '../processes/tree.ts'
import { fields, text, whole } from './check.ts'

const lockName = /^agent\.lock\.(\d+)$/

/**
 * Makes this process the one agent of the home; false when another one lives. Nothing needs to be released: who died holds nothing.
 * Locks are numbered: whoever finds the holder of the highest one dead makes the next one, which only one can (link fails where
 * the name exists). Lower ones are removed only after that, so the highest always tells.
 */
export const takeLock = (directory: string): boolean => {
  const draft = join(directory, `agent.lock.draft-${process.pid}`)
  effectSync('agent.lock-take', () => writeFileSync(draft, JSON.stringify(identityOf(process.pid)), { mode: 0o600 }))
  try {
    for (;;) {
      const highest = highestLock(directory)
      if (highest > 0 && holderLives(directory, highest)) return false
      if (!tryLink(draft, lockPath(directory, highest + 1))) continue
      if (highestLock(directory) > highest + 1) {
        remove(lockPath(directory, highest + 1)) // we were slow: others came and went and cleared our number
        continue
      }
      for (const number of lockNumbers(directory)) if (number <= highest) remove(lockPath(directory, number))
      return true
    }
  } finally {
    remove(draft)
  }
}

/** The pid of the living agent of the home, if there is one. */
export const lockHolder = (directory: string): number | null => {
  const highest = highestLock(directory)
  return highest > 0 && holderLives(directory, highest) ? readHolder(directory, highest).pid : null
}

const lockPath = (directory: string, number: number): string => join(directory, `agent.lock.${number}`)

const lockNumbers = (directory: string): number[] =>
  readdirSync(directory).flatMap((name) => Number(lockName.exec(name)?.[1] ?? []))

const highestLock = (directory: string): number => Math.max(0, ...lockNumbers(directory))

const holderLives = (directory: string, number: number): boolean => {
  try {
    return isAlive(readHolder(directory, number))
  } catch {
    return false // cleared meanwhile by a later holder, or a disk that was full when it was written
  }
}

const readHolder = (directory: string, number: number) => {
  const holder = fields(JSON.parse(readFileSync(lockPath(directory, number), 'utf8')), 'lock')
  return { pid: whole(holder.pid, 'pid'), start: text(holder.start, 'start') }
}

const tryLink = (draft: string, path: string): boolean => {
  try {
    effectSync('agent.lock-link', () => linkSync(draft, path))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

const remove = (path: string): void => effectSync('agent.lock-clear', () => rmSync(path, { force: true }))
