import { refUpdated } from '../code/facts.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { Store } from '../store/store.ts'
import { buildFacts, jobFinished, jobStarted } from './facts.ts'
import type { BuildTables } from './tables.ts'

/** After these there may be a run to start, to go on with or to end. */
const awakening = [refUpdated, ...buildFacts]
  .filter((definition) => definition !== jobStarted && definition !== jobFinished)
  .map(({ type }) => type)

export type Wakefulness = {
  /** To be called first in each look; resolves when the views are up to date. */
  begin(): Promise<void>
  stop(): void
}

/**
 * Calls `look` when there may be something to do. Of the many thousand facts of a large run's jobs most are none of them: that a job has ended matters
 * only while there are concurrency groups, one of which it may have left to somebody who waits.
 */
export const stayAwake = (
  { ledger, views, store }: { ledger: Pick<Ledger, 'onAppend'>; views: Pick<Views, 'reach'>; store: Store },
  look: () => void,
): Wakefulness => {
  let appends = 0
  let hasGroups = true
  const wake = (): void => {
    appends += 1
    hasGroups = true
    look()
  }
  const stops = [
    ledger.onAppend(wake, awakening),
    ledger.onAppend(() => {
      if (hasGroups) look()
    }, [jobFinished.type]),
  ]
  return {
    begin: async () => {
      const before = appends
      hasGroups = true // what ends from here on may not be in what is looked at now
      await views.reach()
      const claims = store.tables<BuildTables>().selectFrom('build_claims').select('run')
      const claim = await claims.limit(1).executeTakeFirst()
      if (!claim && before === appends) hasGroups = false
    },
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}
