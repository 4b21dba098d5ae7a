import type { Clock } from '../../clock.ts'
import type { EnvironmentView, Target } from '../../deploy/index.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import type { CommitId, Digest } from '../../names.ts'
import type { ProblemDetails } from '../../problem.ts'
import type { Store } from '../../store/store.ts'

/** What runs in an environment. */
export type Running = { readonly release: Digest; readonly commit: CommitId; readonly push: string | null }

export type PromotionParts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly clock: Clock
  readonly book: EnvironmentView
  /** Why files of the environments repository as they are now do not count. */
  refusals(): readonly ProblemDetails[]
  current(target: Target): Promise<Running | null>
  hasSucceeded(target: Target, release: Digest): Promise<boolean>
  /** Has deploy look again at what Git asks for there. */
  settle(target: Target): void
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}
