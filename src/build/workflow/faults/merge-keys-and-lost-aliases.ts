import { isAlias, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import type { WorkflowFault } from '../read.ts'

/**
 * Upstream faults: the reader takes a merge key (`<<`), which GitHub refuses, for a strange mapping at the place of its anchor, and what
 * follows an alias without an anchor for its value. Mended by looking for both before it reads.
 */
export const aliasFaults = (text: string): WorkflowFault[] => {
  if (!/[*]|<</.test(text)) return []
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: false })
  const faults: WorkflowFault[] = []
  const add = (detail: string, offset: number | undefined): void => {
    const { line, col } = lines.linePos(offset ?? 0)
    faults.push({ detail, at: { line, column: col } })
  }
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === '<<' && key.type === 'PLAIN')
        add('merge keys (<<) are not supported; use anchors and aliases for whole values', key.range?.[0])
    },
    Alias: (_, alias) => {
      if (isAlias(alias) && alias.resolve(document) === undefined)
        add(`there is no anchor &${alias.source} before this alias`, alias.range?.[0])
    },
  })
  return faults
}
