import type { CommitId, Digest } from '../names.ts'
import type { Problem } from '../problem.ts'
import type { Target } from './target.ts'

/** What wants to be deployed without being a promotion: by an order, the same release with new settings, or a commit by hand. */
export type Asked = {
  readonly target: Target
  readonly release: Digest
  readonly commit: CommitId
  readonly cause:
    | { readonly kind: 'order' }
    | { readonly kind: 'settings' }
    /** The file's object name, so that each version of it is asked for once. */
    | { readonly kind: 'git'; readonly blob: string }
}

/** Whether it may begin now; else a Problem that says what is in the way. Going back is never asked for. */
export type Admission = (asked: Asked) => Promise<Problem | null>

/** Where nobody decides what may go where. */
export const admitAll: Admission = async () => null
