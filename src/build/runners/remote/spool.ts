import { open } from 'node:fs/promises'

/** What is sent of a log at once. */
const chunkBytes = 512 * 1024

/**
 * Whole lines of a log from a byte on, as many as are sent at once, and whether that is all there is. A line longer than that cannot be:
 * they are cut at 64 KiB where they are written.
 */
export const readLines = async (
  file: string,
  offset: number,
): Promise<{ readonly text: string; readonly isAll: boolean }> => {
  await using handle = await open(file, 'r').catch(() => null)
  if (handle === null) return { text: '', isAll: true }
  const buffer = Buffer.alloc(chunkBytes)
  const { bytesRead } = await handle.read(buffer, 0, chunkBytes, offset)
  const bytes = buffer.subarray(0, bytesRead)
  const text = bytes.toString('utf8', 0, bytes.lastIndexOf(10) + 1)
  return { text, isAll: bytesRead < chunkBytes }
}
