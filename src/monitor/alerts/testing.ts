import { testIds } from '../../testing.ts'
import type { AlertPorts } from './index.ts'

/** What alerts need where there are none. */
export const nothingWatched: Omit<AlertPorts, 'traffic' | 'ledger' | 'clock'> = {
  ids: testIds(),
  settings: { resolve: async (_scope, names) => ({ values: {}, missing: [...names] }) },
  userFor: () => null,
  watched: async () => [],
  inProgress: async () => null,
  halt: async () => 'paused',
  rollback: async () => 'aborted',
}
