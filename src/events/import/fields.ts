import { type Cutter, cutter } from '../../processes/cutter.ts'

/** A message of a commit is longer only to do harm; what is behind that is not read. */
const longestField = 1024 * 1024

/**
 * Cuts bytes as they come into fields that end with a NUL, and tells so many of them at a time; no more than one row is held. What comes
 * last without a NUL is a field, too, where it makes its row whole.
 */
export const fieldCutter = (width: number, onRow: (fields: readonly string[]) => void): Cutter => {
  let row: string[] = []
  let open = ''
  const add = (text: string): void => {
    if (open.length < longestField) open += text.slice(0, longestField - open.length)
  }
  const finish = (): void => {
    row.push(open)
    open = ''
    if (row.length < width) return
    onRow(row)
    row = []
  }
  const pieces = cutter('\0', add, finish)
  return {
    push: pieces.push,
    end: () => {
      pieces.end()
      if (row.length === width - 1) finish()
    },
  }
}
