import { statfs } from 'node:fs/promises'

const leastBytes = 1024 * 1024

/** Says that the disk of this directory has no room left to record anything; null while it has. */
export const fullDisk = async (directory: string): Promise<string | null> => {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= leastBytes) return null
  return `waiting: the disk of ${directory} is full; free some space there (df -h) and this goes on by itself`
}
