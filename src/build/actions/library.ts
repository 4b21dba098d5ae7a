import type { ChildProcess } from 'node:child_process'
import type { RunSource } from '../jobs/contexts.ts'
import type { RemoteReference } from './reference.ts'

/** Where a runner finds the actions that do not come with Headway. Nothing is fetched from anywhere that no administrator named. */
export type ActionLibrary = {
  /** Finds the repository of an action at its version. */
  find(reference: RemoteReference, source: RunSource): Promise<ActionFinding>
}

export type ActionFinding =
  | { readonly kind: 'found'; readonly files: ActionFiles }
  /** It is not here; the detail says what an administrator can do about it. */
  | { readonly kind: 'missing'; readonly detail: string }

/** The files of an action's repository at one commit. */
export type ActionFiles = {
  /** The repository and the commit; the same files have the same key. */
  readonly key: string
  /** The text of a plain file of at most 1 MiB; null where there is none. */
  read(path: string): Promise<string | null>
  /** All of them as a tar, on the program's stdout. */
  archive(): { readonly tar: ChildProcess; readonly done: Promise<void> }
}
