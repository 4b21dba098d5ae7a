import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { AlertRule, NotifyTarget } from '../../golden/alerts.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../../names.ts'
import { testClock, testIds } from '../../testing.ts'
import { signatureOf } from '../../webhook.ts'
import type { Traffic } from '../traffic.ts'
import { alertFacts } from './facts.ts'
import { alertSubject, createAlerts } from './index.ts'
import { createNotifier } from './notify.ts'
import { look, quiet, settleMs } from './state.ts'
import { nothingWatched } from './testing.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const classes = { c1: 0, c2: 0, c3: 0, c4: 0, c5: 0, failed: 0 }
const traffic = (over: Partial<Traffic>): Traffic => ({
  ...{ requests: 0, errorRate: null, classes, p50Ms: null, p95Ms: null, p99Ms: null },
  ...over,
})
const ruleOf = (over: Partial<AlertRule> = {}): AlertRule => ({
  name: 'errors',
  when: 'error_rate_5m > 2 % and deployment_in_progress',
  ...{ forMs: 0, actions: ['halt'], notify: [] },
  ...over,
})

const begin = async (first: AlertRule) => {
  const clock = testClock()
  const ground = await openTestLedger({ definitions: alertFacts })
  const seen = {
    traffic: traffic({}),
    deployment: null as string | null,
    rules: [first] as AlertRule[],
    asked: [] as string[],
    ranges: [] as [number, number][],
    refuse: false,
  }
  const ask = (what: string) => async () => {
    seen.asked.push(what)
    if (seen.refuse) throw new Error('it is on its way back already')
    return `${what} done`
  }
  const ids = testIds()
  const open = () =>
    createAlerts({
      ...nothingWatched,
      ledger: ground.ledger,
      clock,
      ids,
      traffic: {
        total: async ({ from, until }) => {
          seen.ranges.push([clock.now() - from, until - clock.now()])
          return seen.traffic
        },
      },
      watched: async () => [{ target: shop, rules: seen.rules }],
      inProgress: async () => seen.deployment,
      halt: ask('halt'),
      rollback: ask('rollback'),
    })
  let alerts = open()
  return {
    clock,
    seen,
    get alerts() {
      return alerts
    },
    restart: async () => {
      await alerts.stop()
      alerts = open()
    },
    lookAround: async () => {
      await alerts.lookAround()
      await alerts.settled()
    },
    state: () => alerts.views().map(({ state }) => state),
    facts: async () =>
      (await ground.ledger.read({ subject: alertSubject(shop) })).map(({ type, payload }) => ({
        type,
        payload: JSON.parse(JSON.stringify(payload)),
      })),
    [Symbol.asyncDispose]: async () => {
      await alerts.stop()
      await ground[Symbol.asyncDispose]()
    },
  }
}

test('an alert fires once when it holds, halts, and is over when it has not held for a minute', async () => {
  await using bench = await begin(ruleOf())
  const { seen, clock } = bench
  await bench.lookAround()
  assert.deepEqual(bench.state(), ['quiet'], 'nothing is in progress')
  seen.deployment = 'deployment-7'
  await bench.lookAround()
  assert.deepEqual(bench.state(), ['no data'])
  seen.traffic = traffic({ requests: 100, errorRate: 0.05 })
  for (let count = 0; count < 3; count += 1) await bench.lookAround()
  assert.deepEqual([bench.state(), seen.asked], [['firing'], ['halt']])
  seen.traffic = traffic({ requests: 100, errorRate: 0.01 })
  await bench.lookAround()
  await clock.advance(settleMs - 1)
  await bench.lookAround()
  assert.deepEqual(bench.state(), ['firing'])
  await clock.advance(1)
  await bench.lookAround()
  assert.deepEqual(bench.state(), ['quiet'])
  const about = { alert: 'alert-1', ...shop, name: 'errors' }
  assert.deepEqual(await bench.facts(), [
    {
      type: 'alert.fired',
      payload: {
        ...about,
        ...{ when: ruleOf().when, deployment: 'deployment-7', actions: ['halt'] },
        values: [{ metric: 'error_rate_5m', value: 0.05 }],
      },
    },
    {
      type: 'alert.acted',
      payload: {
        ...{ ...about, event: 'fired', action: 'halt', place: 0, to: null },
        ...{ outcome: 'done', detail: 'halt done' },
      },
    },
    {
      type: 'alert.resolved',
      payload: { ...about, firedAt: Date.UTC(2026, 0, 1), detail: 'it no longer holds' },
    },
  ])
})

test('what fired for a deployment fires anew for the next one, which it would not have stopped otherwise', async () => {
  await using bench = await begin(ruleOf())
  const { seen, clock } = bench
  seen.deployment = 'deployment-7'
  seen.traffic = traffic({ requests: 100, errorRate: 0.05 })
  await bench.lookAround()
  seen.deployment = null
  await bench.lookAround()
  await clock.advance(settleMs - 1)
  seen.deployment = 'deployment-8'
  for (let count = 0; count < 3; count += 1) await bench.lookAround()
  assert.deepEqual([bench.state(), seen.asked], [['firing'], ['halt', 'halt']])
  assert.deepEqual(
    (await bench.facts()).map(({ type, payload }) => [type, payload.deployment ?? payload.detail]),
    [
      ['alert.fired', 'deployment-7'],
      ['alert.acted', 'halt done'],
      ['alert.resolved', 'another deployment is under way'],
      ['alert.fired', 'deployment-8'],
      ['alert.acted', 'halt done'],
    ],
  )
})

test('a window of five minutes is the minute under way and the four before it', async () => {
  await using bench = await begin(ruleOf())
  await bench.clock.advance(90_000)
  await bench.lookAround()
  assert.deepEqual(bench.seen.ranges, [[270_000, 30_000]])
})

test('what must hold for a while begins anew after a break, and no data is one', () => {
  const at = (truths: readonly (boolean | null)[]) => {
    let state = quiet
    const fired: number[] = []
    for (const [index, truth] of truths.entries()) {
      const next = look(state, truth, index * 10_000, 20_000)
      if (next.event) fired.push(index)
      state = next.state
    }
    return fired
  }
  assert.deepEqual(at([true, true, true]), [2])
  assert.deepEqual(at([true, true, null, true, true]), [])
  assert.deepEqual(at([true, false, true, true, true]), [4])
  const firing = { ...quiet, firing: { alert: 'a', firedAt: 0, deployment: null } }
  const first = look(firing, false, 0, 0).state
  const blind = look(first, null, 30_000, 0).state
  assert.equal(look(blind, false, settleMs, 0).event, null, 'nobody knows whether it was over in between')
})

test('after a restart a firing alert still fires, and what was not done about it is done', async () => {
  await using bench = await begin(ruleOf({ actions: ['rollback'] }))
  const { seen } = bench
  seen.deployment = 'deployment-7'
  seen.traffic = traffic({ requests: 100, errorRate: 0.5 })
  seen.refuse = true
  await bench.lookAround()
  await bench.restart()
  await bench.lookAround()
  assert.deepEqual([bench.state(), seen.asked], [['firing'], ['rollback']], 'what failed was answered')
  const [, acted] = await bench.facts()
  assert.deepEqual([acted?.payload.outcome, acted?.payload.detail], ['failed', 'it is on its way back already'])
  seen.rules = []
  await bench.lookAround()
  assert.equal((await bench.facts()).at(-1)?.payload.detail, 'nobody asks for it any more')
})

type Received = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }

const listen = async (statuses: number[]) => {
  const received: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ headers: request.headers, body, path: request.url ?? '' })
      response.writeHead(statuses.shift() ?? 200, { location: 'http://127.0.0.1:1/' }).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    host: `127.0.0.1:${port}`,
    received,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const notifyWith = (values: Readonly<Record<string, string>>) => {
  const waits: number[] = []
  const clock = {
    now: () => Date.UTC(2026, 0, 1),
    monotonicMs: () => 0,
    sleep: async (ms: number) => {
      waits.push(ms)
    },
  }
  const settings = {
    resolve: async (_scope: unknown, names: readonly string[]) => ({
      values: Object.fromEntries(names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]]))),
      missing: names.filter((name) => values[name] === undefined),
    }),
  }
  const notify = createNotifier({ clock, settings, userFor: () => null })
  const send = (to: NotifyTarget) =>
    notify(to, { id: 'alert-1-fired', target: shop, body: '{"type":"alert.fired"}' }, new AbortController().signal)
  return { send, waits }
}

test('a webhook is signed, and tried again with longer and longer waits while it fails for a moment', async () => {
  await using hook = await listen([503, 429])
  const { send, waits } = notifyWith({ KEY: 'sesame', WHERE: hook.url })
  const sent = await send({ kind: 'webhook', url: 'WHERE', secret: 'KEY' })
  assert.deepEqual(sent, { to: hook.host, outcome: 'done', detail: 'answered 200' })
  assert.deepEqual(waits, [1_000, 2_000])
  const [first, , third] = hook.received
  assert.deepEqual(
    [first?.body, first?.path, first?.headers['webhook-id'], third?.headers['webhook-id']],
    ['{"type":"alert.fired"}', '/hook', 'alert-1-fired', 'alert-1-fired'],
  )
  const seconds = Date.UTC(2026, 0, 1) / 1000
  assert.equal(
    third?.headers['webhook-signature'],
    signatureOf('sesame', 'alert-1-fired', seconds, '{"type":"alert.fired"}'),
  )
})

test('the signature is that of the Standard Webhooks specification', () => {
  const body = '{"test": 2432232314}'
  assert.equal(
    signatureOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, body),
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  )
})

test('what is refused is not tried again, a redirect is not followed, and a secret that is not set is named', async () => {
  await using hook = await listen([403, 302])
  const { send, waits } = notifyWith({})
  assert.deepEqual(
    [
      await send({ kind: 'webhook', url: hook.url, secret: null }),
      await send({ kind: 'webhook', url: hook.url, secret: null }),
      await send({ kind: 'webhook', url: hook.url, secret: 'KEY' }),
    ],
    [
      { to: hook.host, outcome: 'failed', detail: 'answered 403; tried 1 time' },
      { to: hook.host, outcome: 'failed', detail: 'answered 302; tried 1 time' },
      { to: hook.host, outcome: 'failed', detail: 'KEY is not set' },
    ],
  )
  assert.deepEqual([waits, hook.received.length, hook.received[0]?.headers['webhook-signature']], [[], 2, undefined])
})

test('a command gets the alert on its standard input and no shell', async () => {
  const { send } = notifyWith({})
  const argv = ['sh', '-c', 'test "$1" = \'$(id)\' || { echo it is "$1" >&2; exit 3; }', 'x']
  assert.deepEqual(await send({ kind: 'command', argv: [...argv, 'root'] }), {
    ...{ to: 'sh', outcome: 'failed', detail: 'ended with exit code 3: it is root' },
  })
  assert.equal((await send({ kind: 'command', argv: [...argv, '$(id)'] })).outcome, 'done')
  assert.equal((await send({ kind: 'command', argv: ['grep', '-q', 'alert.fired'] })).outcome, 'done')
  assert.match((await send({ kind: 'command', argv: ['no-such-program'] })).detail, /no-such-program is not installed/)
})
