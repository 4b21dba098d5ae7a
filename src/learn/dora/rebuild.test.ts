import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { openViews } from '../../ledger/views.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { definitions } from '../../server.ts'
import {
  attributionWindowSet,
  type CarriedCommit,
  deliveryCarried,
  deliveryChange,
  deliveryCorrected,
  deliveryDeployed,
  incidentAttributed,
  incidentDismissed,
  incidentOpened,
  incidentResolved,
} from '../facts.ts'
import { doraView } from '../views.ts'

/** The same for everybody who runs it. */
const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const hourMs = 3_600_000
const project = ProjectName.parse('shop')
const environment = EnvironmentName.parse('production')
const actor = 'user:ada'

/** What may come in whatever order: late, twice, about what is not known yet, with commits that were live before or were squashed. */
const anything = (random: (below: number) => number): NewFact => {
  const at = 1_700_000_000_000 + random(400) * hourMs
  const key = `x:${random(120)}`
  const commit = (): CarriedCommit => ({
    ...{ repository: 'code', commit: `c${random(200)}`, isMerge: random(9) === 0 },
    committedAt: random(12) === 0 ? null : at - random(90) * hourMs + 10 * hourMs,
    reverts: random(15) === 0 ? `c${random(200)}` : null,
  })
  const commits = Array.from({ length: random(5) }, commit)
  const incident = `i${random(40)}`
  const about = { subject: 'any', actor } as const
  switch (random(12)) {
    case 0:
      return fact(deliveryCarried, { ...about, payload: { deployment: key, commits, lines: random(50) } })
    case 1: {
      const said = { isFailure: random(2) === 0, isRework: random(2) === 0 ? null : random(2) === 0, why: '' }
      return fact(deliveryCorrected, { ...about, payload: { deployment: key, ...said } })
    }
    case 2: {
      const own = { key: `pr:${random(50)}`, source: 'x', received: null, project, repository: 'code' }
      const change = { state: 'merged' as const, at, commits, mergedAs: `c${random(200)}`, lines: 5 }
      return fact(deliveryChange, { ...about, payload: { ...own, ...change } })
    }
    case 3: {
      const named = {
        service: ServiceName.parse(`s${random(3)}`),
        environment,
        title: 'down',
        source: 'hand',
        key: null,
      }
      const when = { impactStartedAt: null, detectedAt: at }
      const causedBy = random(2) === 0 ? { deployment: key } : null
      const payload = { incident, project, ...named, ...when, causedBy, received: null }
      return fact(incidentOpened, { ...about, payload: payload })
    }
    case 4:
      return fact(incidentResolved, { ...about, payload: { incident, at } })
    case 5: {
      const payload = { incident, deployment: random(3) ? key : null, how: '', by: actor }
      return fact(incidentAttributed, { ...about, payload })
    }
    case 6:
      if (random(4) > 0)
        return fact(deliveryCorrected, {
          ...about,
          payload: { deployment: key, isFailure: null, isRework: null, why: '' },
        })
      return random(2) === 0
        ? fact(incidentDismissed, {
            ...about,
            payload: { incident, why: '' },
          })
        : fact(attributionWindowSet, {
            ...about,
            payload: { project, windowMs: (1 + random(30)) * hourMs },
          })
    default: {
      const lane = { project, service: ServiceName.parse(`s${random(3)}`), environment }
      const kind = (['planned', 'planned', 'planned', 'hotfix', 'rollback'] as const)[random(5)] ?? 'planned'
      const told = {
        key,
        source: 'x',
        received: null,
        ...lane,
        startedAt: null,
        finishedAt: at,
        commits,
        lines: 3,
        kind,
      }
      const outcome = random(8) === 0 ? ('failed' as const) : ('succeeded' as const)
      const more = { revision: random(9) ? `r${random(60)}` : null, automatic: random(2) === 0 }
      const rollsBack = random(9) === 0 ? `x:${random(120)}` : null
      return fact(deliveryDeployed, { ...about, payload: { ...told, ...more, outcome, rollsBack } })
    }
  }
}

for (const seed of [1, 2, 3])
  test(`views that were kept fact by fact, in batches and rebuilt at once hold the same, whatever came (${seed})`, async () => {
    await using opened = await openTestLedger({ definitions, views: [doraView] })
    const random = randomFrom(seed)
    for (let place = 0; place < 120; place += 1) {
      await opened.ledger.append([anything(random)])
      await opened.views.reach()
    }
    const oneByOne = await opened.views.digest()
    await opened.views.rebuild()
    assert.equal(await opened.views.digest(), oneByOne, 'rebuilt at once')
    await opened.ledger.append(Array.from({ length: 80 }, () => anything(random)))
    const inBatches = await opened.views.digest()
    await opened.views.rebuild()
    assert.equal(await opened.views.digest(), inBatches, 'a batch behind them')
    // An older version of the view: it is built anew when it is opened.
    await opened.views.stop()
    const { store, ledger } = opened
    const newer = await openViews({ store, ledger, views: [{ ...doraView, version: doraView.version + 1 }] })
    assert.equal(await newer.digest(), inBatches, 'built by a new version')
    await newer.stop()
  })
