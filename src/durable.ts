import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Replaces a file so that whoever reads it, after whatever crash, sees the old content or the new one: written beside it, synced,
 * renamed, the directory synced. The caller marks it as an effect and sees to it that nobody else writes the same file meanwhile.
 */
export const replaceFile = async (file: string, content: string | Uint8Array, mode = 0o600): Promise<void> => {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    const handle = await open(temporary, 'w', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(file))
}

/** Makes the names in a directory durable: those added and those removed. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The same as `replaceFile`, for what must not yield to the event loop. */
export const replaceFileSync = (file: string, content: string | Uint8Array, mode = 0o600): void => {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    withFile(temporary, 'w', mode, (descriptor) => {
      writeFileSync(descriptor, content)
      fsyncSync(descriptor)
    })
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  withFile(dirname(file), 'r', undefined, fsyncSync)
}

const withFile = (path: string, flags: string, mode: number | undefined, use: (descriptor: number) => void): void => {
  const descriptor = openSync(path, flags, mode)
  try {
    use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
