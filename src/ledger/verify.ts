import type { Store } from '../store/store.ts'
import { type Checkpoint, checkSignature } from './checkpoint.ts'
import { exportedPages } from './export.ts'
import { type ChainVerdict, createInspector, type InspectedLink } from './inspect.ts'
import { pagesOf } from './pages.ts'

export type VerifyOptions = {
  /** Kept elsewhere; against them truncation and rewriting show. */
  readonly checkpoints?: readonly Checkpoint[]
  /** The public key that their signatures must be of (base64); without it each vouches for itself. */
  readonly publicKey?: string
  readonly progress?: (facts: number) => void
}

/**
 * Walks the chain in a store from its first fact and names the first that was altered, removed or inserted, or says that it is whole.
 * What is appended meanwhile is walked, too. Throws a `Problem` for a checkpoint that is not signed by the key.
 */
export const verifyLedger = (store: Store, options: VerifyOptions = {}): Promise<ChainVerdict> =>
  inspectAll(pagesOf(store), options)

/** The same for the lines of `exportLedger` (or chunks of them), which need no store. */
export const verifyExport = (
  chunks: AsyncIterable<string> | Iterable<string>,
  options: VerifyOptions = {},
): Promise<ChainVerdict> => inspectAll(exportedPages(chunks), options)

const inspectAll = async (pages: AsyncIterable<readonly InspectedLink[]>, options: VerifyOptions) => {
  const { checkpoints = [], publicKey, progress } = options
  for (const checkpoint of checkpoints) checkSignature(checkpoint, publicKey)
  const inspector = createInspector(checkpoints)
  let facts = 0
  for await (const page of pages) {
    for (const link of page) inspector.take(link)
    facts += page.length
    progress?.(facts)
  }
  return inspector.verdict()
}
