import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { effect, effectSync } from '../effect.ts'
import { startThread } from './sqlite-thread.ts'

/**
 * Writes a consistent copy of a database in use to `target` (mode 0600, replaced when it exists), on the disk when this resolves.
 * Reads one snapshot in a thread of its own, so writers go on.
 */
export const copyDatabase = async (file: string, target: string): Promise<void> => {
  const half = `${target}.half`
  const thread = startThread({ file, readOnly: true, pragmas: ['trusted_schema = OFF'] })
  try {
    effectSync('store.backup-begin', () => {
      rmSync(half, { force: true })
      closeSync(openSync(half, 'wx', 0o600))
    })
    await effect('store.backup-copy', () => thread.run('VACUUM INTO ?', [half]))
    chmodSync(half, 0o600)
    effectSync('store.backup-end', () => {
      flush(half)
      renameSync(half, target)
      flush(dirname(target))
    })
  } catch (error) {
    effectSync('store.backup-discard', () => rmSync(half, { force: true }))
    throw error
  } finally {
    await thread.close()
  }
}

const flush = (path: string): void => {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
