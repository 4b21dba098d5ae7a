import { join } from 'node:path'
import { systemClock, systemIds } from '../clock.ts'
import { codeFacts } from '../code/facts.ts'
import { homeAt } from '../home.ts'
import { fact, isFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { CommitId, defaultProject } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { buildFacts, environmentProtected, pushVerified, runQueued, workflowEventConcluded } from './facts.ts'
import { createBuild } from './index.ts'
import { resultsMigrations, resultsView } from './results/views.ts'
import { runnersView } from './runners/views.ts'
import { pushOf, testParts } from './testing.ts'
import { buildView } from './views.ts'

// The process that is killed at one of its appends (`<number>:before` or `<number>:after`): takes a push through its approval, a
// failed first attempt and a second one, to the ends of the workflow that follows both, then prints the ledger.
const [root = '', commit = '', killAt = ''] = process.argv.slice(2)
const home = homeAt(join(root, 'home'), {})
const store = await openSqliteStore(home.database)
await migrate(store, { migrations: [...ledgerMigrations, ...resultsMigrations], program: 'test', clock: systemClock })
const real = await openLedger({ store, definitions: [...codeFacts, ...buildFacts], clock: systemClock })
let appends = 0
const ledger: Ledger = {
  ...real,
  append: async (facts, options) => {
    appends += 1
    const mark = appends
    if (killAt === `${mark}:before`) process.kill(process.pid, 'SIGKILL')
    const outcome = await real.append(facts, options)
    if (killAt === `${mark}:after`) process.kill(process.pid, 'SIGKILL')
    return outcome
  },
}
const views = await openViews({ store, ledger, views: [buildView, resultsView, runnersView] })
const bare = join(home.repositories, 'default', 'shop.git')
const parts = { ...testParts({ ledger, store, views }, home, bare), ids: systemIds(systemClock) }
const build = createBuild(parts)
if ((await real.head()).seq === 0) {
  const payload = {
    project: defaultProject,
    environment: 'production',
    needsApproval: true,
    allowsOwnApproval: true,
    refs: null,
  }
  await real.append([
    fact(environmentProtected, { subject: 'environment:default/production', actor: 'user:root', payload }),
    pushOf('push-1', 'refs/heads/main', CommitId.parse(commit)),
  ])
}

/** Says yes where somebody has to, asks once for another attempt; true at the end. */
const help = async (): Promise<boolean> => {
  const facts = await real.read({})
  const run = facts.flatMap((one) => (isFact(runQueued, one) && one.payload.name === 'CI' ? [one.payload.run] : []))[0]
  if (run === undefined) return false
  const details = await build.run(defaultProject, run)
  if (details?.jobs.some(({ wait }) => wait?.kind === 'approval')) {
    const answer = { environment: 'production', isApproved: true, comment: null }
    await build.requests.decideApproval(defaultProject, run, answer, 'user:bob').catch(() => undefined)
  }
  const verdicts = facts.filter((one) => isFact(pushVerified, one))
  if (verdicts.length === 1 && details?.status === 'finished' && details.attempt === 1)
    await build.rerun(defaultProject, run, 'failed', 'user:bob')
  return verdicts.length === 2 && facts.filter((one) => isFact(workflowEventConcluded, one)).length === 2
}

await build.start()
let helping = Promise.resolve()
let stopHelping = (): void => undefined
await new Promise<void>((resolve, reject) => {
  const look = (): void => {
    helping = helping.then(async () => {
      if (await help()) resolve()
    })
    helping.catch(reject)
  }
  stopHelping = real.onAppend(look)
  look()
})
stopHelping()
await helping
await build.stop()
process.stdout.write(JSON.stringify({ appends, facts: await real.read({}) }))
await views.stop()
await store.close()
