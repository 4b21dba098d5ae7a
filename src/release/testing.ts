import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { deployFacts, rolloutStarted } from '../deploy/facts.ts'
import type { JudgePlan } from '../deploy/judging.ts'
import type { EdgeSamples, VersionSample } from '../edge/protocol.ts'
import { latencyEdgesMs } from '../edge/protocol.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { CommitId, Digest } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { releaseMigrations } from './book.ts'
import { createRelease } from './index.ts'

export const service = 'default/shop/production'

/** An edge whose counters are moved by hand. */
export const fakeEdge = (epoch: string) => {
  const versions = new Map<string, { requests: number; errors: number; slow: number }>()
  return {
    epoch,
    /** So many more requests of a version, of which so many failed and so many took more than 200 ms. */
    serve: (version: string, requests: number, errors = 0, slow = 0): void => {
      const before = versions.get(version) ?? { requests: 0, errors: 0, slow: 0 }
      versions.set(version, {
        requests: before.requests + requests,
        errors: before.errors + errors,
        slow: before.slow + slow,
      })
    },
    forget: (): void => versions.clear(),
    samples: (at: number): EdgeSamples => ({
      ...{ epoch, at },
      services: [
        {
          service,
          versions: [...versions].map(([version, { requests, errors, slow }]): VersionSample => {
            const slower = latencyEdgesMs.map((edge) => (edge < 20 ? requests : edge <= 200 ? slow : 0))
            return { version, requests, errors, slower, mirrored: 0, leftOut: 0 }
          }),
        },
      ],
    }),
  }
}
export type FakeEdge = ReturnType<typeof fakeEdge>

/** Time that is moved by hand, from the 500th day on. */
export const fakeClock = (start = 500 * 24 * 3_600_000): Clock & { forward(ms: number): void } => {
  let now = start
  return {
    now: () => now,
    monotonicMs: () => now,
    sleep: (_, signal) =>
      new Promise((_resolve, reject) => {
        const stop = (): void => reject(signal?.reason)
        if (signal?.aborted) stop()
        signal?.addEventListener('abort', stop, { once: true })
      }),
    forward: (ms) => {
      now += ms
    },
  }
}

/** The stage on a directory that is given, or on one of its own, with edges that a test moves; `again` is what a process that starts after this one finds. */
export const openReleaseRoom = async (given?: string) => {
  const directory = given ?? mkdtempSync(join(tmpdir(), 'headway-release-'))
  const clock = fakeClock()
  const edges: FakeEdge[] = []
  const instances: { id: string; release: string; restarts: number; port?: number }[] = []
  const state = { answers: true }
  const store = await openSqliteStore(join(directory, 'headway.db'))
  await migrate(store, { migrations: [...ledgerMigrations, ...releaseMigrations], program: 'test', clock })
  const ledger = await openLedger({ store, definitions: deployFacts, clock })
  const owner = { project: 'default', service: 'shop', environment: 'production', commit: 'a'.repeat(40) }
  const begin = () =>
    createRelease({
      ...{ ledger, store, clock, home: { blobs: join(directory, 'blobs') } },
      runtime: {
        samples: async () => {
          if (!state.answers) throw new Error('nobody answers')
          return edges.map((edge) => edge.samples(clock.now()))
        },
        instances: async () =>
          instances.map(({ id, release, restarts, port = 1 }) => ({
            id,
            restarts,
            port,
            owner: { ...owner, release },
          })),
      },
    })
  return {
    ...{ directory, clock, edges, instances, state, store, ledger },
    release: begin(),
    again: begin,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await store.close()
      if (given === undefined) rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** An instance that shows counters of its own, moved by hand, on a port of this machine. */
export const startPage = async () => {
  const state = { good: 0, bad: 0, queue: 0, status: 200 }
  const server = createServer((_, answer) => {
    answer.statusCode = state.status
    answer.end(
      `# TYPE payments_total counter\npayments_total{outcome="good"} ${state.good}\n` +
        `payments_total{outcome="failed"} ${state.bad}\nqueue_length ${state.queue}\n`,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    state,
    port: typeof address === 'object' && address ? address.port : 0,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** What a rollout of this target begins with. */
export const startedOf = (target: { deployment: string }, plan: JudgePlan) =>
  rolloutStarted.payload.parse({
    ...target,
    ...{ instances: [], strategy: 'canary', steps: [{ weightPercent: 100, minMs: 0, maxMs: 0 }], baseline: null },
    ...{ plan, isJudged: true, noData: 'hold', watch: { timeMs: 0, holdbackPercent: 0 }, newer: 'queue', with: [] },
    ...{
      freshBaseline: false,
      release: Digest.parse(`sha256:${'a'.repeat(64)}`),
      commit: CommitId.parse('b'.repeat(40)),
    },
  })
