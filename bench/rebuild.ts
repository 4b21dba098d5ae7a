import { homeAt } from '../src/home.ts'
import { ledgerMigrations } from '../src/ledger/migrations.ts'
import { openTestLedger } from '../src/ledger/testing.ts'
import { openViews } from '../src/ledger/views.ts'
import { CommitId } from '../src/names.ts'
import { allViews, definitions, migrations } from '../src/server.ts'
import { clockOf, tellAll } from './seed.ts'

type Say = (name: string, figure: string) => void

/** All views of a server from a ledger of the facts of so many pushes, on SQLite: what an upgrade that changes them costs. */
export const measureRebuild = async (pushes: number, say: Say): Promise<void> => {
  const sizes = { services: 200, runs: pushes, deploymentsEach: 3 }
  const clock = clockOf(sizes)
  const beside = migrations.filter((one) => !ledgerMigrations.includes(one))
  await using opened = await openTestLedger({ definitions, migrations: beside, clock })
  const { store, ledger, directory } = opened
  await tellAll(ledger, sizes, CommitId.parse('0'.repeat(40)), clock)
  const { seq } = await ledger.head()
  const used = process.cpuUsage()
  const began = performance.now()
  const views = await openViews({ store, ledger, views: allViews(homeAt(directory)) })
  const tookMs = performance.now() - began
  const { user, system } = process.cpuUsage(used)
  await views.stop()
  const perSecond = (seq / tookMs) * 1_000
  say(
    `all views from ${seq.toLocaleString('en')} facts of pushes, runs, releases and rollouts, facts/s`,
    `${perSecond.toFixed(0)}; ${((user + system) / 1_000 / seq).toFixed(3)} ms of the processor each`,
  )
  say('  at that rate ten million take, minutes', (1e7 / perSecond / 60).toFixed(0))
}
