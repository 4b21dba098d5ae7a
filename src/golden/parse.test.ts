import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineRules } from './edge.ts'
import { parseServiceFile } from './parse.ts'
import { usualPreview } from './preview.ts'
import { defaultRules } from './release.ts'

/** What is said about a file, as `line:column detail (next)`. */
const said = (text: string): string[] => {
  const parsed = parseServiceFile(text, 'headway.yaml')
  assert.equal(parsed.kind, 'refused', `accepted: ${text.slice(0, 80)}`)
  return parsed.kind === 'refused'
    ? parsed.problems.map(
        ({ where, detail, next }) =>
          `${where?.line ?? '-'}:${where?.column ?? '-'} ${detail}${next ? ` (${next})` : ''}`,
      )
    : []
}

test("the mission's five lines are complete as they stand", () => {
  const text = 'name: my-service\nlanguage: python\nport: 8000\ndatabase: postgres\nreplicas: 3\n'
  assert.deepEqual(parseServiceFile(text, 'headway.yaml'), {
    kind: 'ok',
    service: {
      ...{ name: 'my-service', language: 'python', port: 8000, database: 'postgres', replicas: 3, owner: null },
      ...{ health: { path: '/', readyTimeoutMs: 60_000 }, env: {}, secrets: [], hosts: [] },
      ...{
        resources: { memoryBytes: null, cpus: null },
        commands: { lint: null, test: null, build: null, start: null },
        ...{ migrate: null, tests: [], quality: null, alerts: [], preview: usualPreview, release: null, edge: null },
      },
    },
  })
})

test('every key is read', () => {
  const text = `
name: shop
language: node
database: none
owner: team-shop
health: { path: /health, timeout: 5s }
env: { GREETING: hello, LIMIT: 3, DEBUG: false }
secrets: [STRIPE_KEY]
hosts: [shop.example.com]
resources: { memory: 512Mi, cpu: 0.5 }
commands: { test: npm run ci, start: node app.js }
release: { migrate: { run: npm run migrate, timeout: 2m } }
alerts:
  - { name: errors, when: error_rate_5m > 2 % and deployment_in_progress, for: 30s, do: [halt, notify], notify: [{ webhook: https://hooks.example.com/a, secret: KEY }] }
tests: [out/*.xml, coverage/lcov.info]
quality: { coverage: { minimum: 80, drop: 0.5 }, p95: 300ms, refuse: [newly-failing] }
`
  assert.deepEqual(parseServiceFile(text, 'headway.yaml'), {
    kind: 'ok',
    service: {
      ...{ name: 'shop', language: 'node', port: 3000, database: null, replicas: 1, owner: 'team-shop' },
      health: { path: '/health', readyTimeoutMs: 5000 },
      env: { GREETING: 'hello', LIMIT: '3', DEBUG: 'false' },
      ...{ secrets: ['STRIPE_KEY'], hosts: ['shop.example.com'], resources: { memoryBytes: 536_870_912, cpus: 0.5 } },
      commands: { lint: null, test: 'npm run ci', build: null, start: 'node app.js' },
      migrate: { run: 'npm run migrate', timeoutMs: 120_000, repeatable: true },
      tests: ['out/*.xml', 'coverage/lcov.info'],
      quality: {
        coverage: { minimumPercent: 80, largestDropPercent: 0.5 },
        ...{ p95Ms: 300, refuse: ['newly-failing'] },
      },
      alerts: [
        {
          ...{ name: 'errors', when: 'error_rate_5m > 2 % and deployment_in_progress', forMs: 30_000 },
          actions: ['halt', 'notify'],
          notify: [{ kind: 'webhook', url: 'https://hooks.example.com/a', secret: 'KEY' }],
        },
      ],
      preview: usualPreview,
      release: defaultRules,
      edge: null,
    },
  })
})

test('what the edge does is read, and what it cannot do is refused', () => {
  const file = (edge: string) => `name: shop\nlanguage: node\nedge: ${edge}\n`
  const rulesOf = (edge: string) => {
    const parsed = parseServiceFile(file(edge), 'headway.yaml')
    return parsed.kind === 'ok' && parsed.service.edge ? defineRules(parsed.service.edge) : parsed
  }
  assert.deepEqual(rulesOf('{ timeout: 10s, body: 10MB, compress: true, hsts: true, perClient: 20 }'), {
    answerMs: 10_000,
    bodyBytes: 10_000_000,
    compress: true,
    hsts: 'max-age=31536000',
    rate: { perSecond: 20, burst: 40 },
  })
  assert.equal(rulesOf('{ only: { path: /api }, compress: false, hsts: false }'), null)
  assert.deepEqual(said(file('{ only: { pth: /api }, perClent: 3, body: much }')), [
    '3:17 unknown key "edge.only.pth" (did you mean path?)',
    '3:30 unknown key "edge.perClent" (did you mean perClient?)',
    '3:49 edge.body: expected a size such as 10MB or 512K, found the text "much"',
  ])
})

test('what a preview is filled with is nothing, a command or a copy, and a service may have none', () => {
  const preview = (line: string) => {
    const parsed = parseServiceFile(`name: x\nlanguage: node\n${line}\n`, 'headway.yaml')
    return parsed.kind === 'ok' ? parsed.service.preview : parsed.problems.map(({ detail }) => detail)
  }
  assert.deepEqual(preview(''), { fill: { kind: 'empty' } })
  assert.deepEqual(preview('preview: false'), null)
  assert.deepEqual(preview('preview: { copy: staging }'), { fill: { kind: 'copy', from: 'staging' } })
  assert.deepEqual(preview('preview: { seed: npm run seed }'), {
    fill: { kind: 'seed', run: 'npm run seed', timeoutMs: 600_000 },
  })
  assert.deepEqual(preview('preview: { sed: npm run seed }'), ['unknown key "preview.sed"'])
  assert.deepEqual(preview('preview: 7'), [
    'preview: expected false, { seed: npm run seed } or { copy: staging }, found the number 7',
  ])
  assert.deepEqual(preview('preview: { copy: staging, seed: x }'), [
    'preview: expected seed or copy, not both, found {"copy":"staging","seed":"x"}',
  ])
})

test('everything that is wrong is said at once, with its place and what was meant', () => {
  const text =
    'nam: x\nlanguage: pyton\nport: eight\nreplcas: 3\nhealth: 3\nresources: { memory: 5, cpus: 2 }\nenv: { PORT: 1 }\n'
  assert.deepEqual(said(text), [
    '1:1 name is missing (add a line such as name: my-service)',
    '1:1 unknown key "nam" (did you mean name?)',
    '2:11 language: expected node, python, go or static, found the text "pyton" (did you mean python?)',
    '3:7 port: expected a number, found the text "eight"',
    '4:1 unknown key "replcas" (did you mean replicas?)',
    '5:9 health: expected a path such as /health, or { path: /health, timeout: 30s }, found the number 3',
    '6:22 resources.memory: expected an amount of memory such as 512Mi or 1Gi, found the number 5',
    '6:25 unknown key "resources.cpus" (did you mean cpu?)',
    '7:8 env.PORT: Headway sets this variable itself',
  ])
})

test('broken and hostile YAML is refused with its place', () => {
  const bomb = `a: &a [x, x]\n${'bcdefghi'
    .split('')
    .map((name, index) => `${name}: &${name} [*${'abcdefghi'[index]}, *${'abcdefghi'[index]}]`)
    .join('\n')}\n`
  const cases: Record<string, readonly [string, string]> = {
    brackets: ['name: [a\nb', '2:1 Flow sequence in block collection must be sufficiently indented and end with a ]'],
    tab: ['name: a\n\tlanguage: node', '2:1 Tabs are not allowed as indentation'],
    empty: [
      '',
      '1:1 expected keys and values, found nothing (start with these three lines: name: my-service, language: node, port: 3000)',
    ],
    list: [
      '- a',
      '1:1 expected keys and values, found a list (start with these three lines: name: my-service, language: node, port: 3000)',
    ],
    twice: ['name: a\nname: b\nlanguage: node', '2:1 Map keys must be unique'],
    documents: [
      'name: a\nlanguage: node\n---\nname: b',
      '3:1 a headway.yaml holds one document; remove the --- and what follows, or give each service a folder of its own',
    ],
    tag: ['name: !!js/function x\nlanguage: node', '1:7 Unresolved tag: tag:yaml.org,2002:js/function'],
    bomb: [bomb, '2:8 aliases are not supported in headway.yaml; write the value out'],
    deep: ['['.repeat(60_000), '-:- nested too deeply'],
    huge: [`name: ${'a'.repeat(70_000)}`, '-:- a headway.yaml has at most 64 KiB'],
    merge: [
      'name: a\nlanguage: node\n<<: { port: 1 }',
      '3:1 unknown key "<<" (use one of name, language, port, database, replicas, owner, health, env, secrets, hosts, resources, commands, tests, quality, alerts, preview, edge, release, or leave it out)',
    ],
    prototype: [
      'name: a\nlanguage: node\n__proto__: { port: 1 }',
      '3:1 unknown key "__proto__" (use one of name, language, port, database, replicas, owner, health, env, secrets, hosts, resources, commands, tests, quality, alerts, preview, edge, release, or leave it out)',
    ],
    name: [
      'name: ../../etc\nlanguage: node',
      '1:7 name: a service name is lower-case letters, digits and single dashes, starting with a letter, found the text "../../etc"',
    ],
    number: ['name: 7\nlanguage: node', '1:7 name: expected text, found the number 7'],
    replicas: [
      'name: a\nlanguage: node\nreplicas: 0',
      '3:11 replicas: expected between 1 and 100 replicas, found the number 0',
    ],
    timeout: [
      'name: a\nlanguage: node\nhealth: { path: x, timeout: soon }',
      '3:17 health.path: expected a path that starts with a slash, such as /health, found the text "x"',
    ],
  }
  for (const [name, [text, first]] of Object.entries(cases)) assert.deepEqual([name, said(text)[0]], [name, first])
})

test('a file full of errors is not answered with a thousand of them', () => {
  assert.equal(said(Array.from({ length: 1000 }, (_, index) => `k${index}: 1`).join('\n')).length, 20)
})

test('what tests and quality ask for is read in its short forms, and what they cannot mean is refused', () => {
  const text = 'name: shop\nlanguage: go\ntests: out/report.tap\nquality:\n  coverage: 75.5\n  p95: 1s\n'
  const parsed = parseServiceFile(text, 'headway.yaml')
  assert.deepEqual(parsed.kind === 'ok' && [parsed.service.tests, parsed.service.quality], [
    ['out/report.tap'],
    { coverage: { minimumPercent: 75.5, largestDropPercent: null }, p95Ms: 1000, refuse: [] },
  ])
  assert.deepEqual(
    said(
      'name: a\nlanguage: go\ntests: ../x.xml\nquality:\n  coverage: 101\n  p95: fast\n  refuse: [flaky]\n  coverag: 1\n',
    ),
    [
      '3:8 tests: expected a path within the folder, found the text "../x.xml"',
      '5:13 quality.coverage: expected a percentage between 0 and 100, found the number 101',
      '6:8 quality.p95: expected a time such as 30s, 500ms or 2m, found the text "fast"',
      '7:12 quality.refuse.0: expected newly-failing or newly-flaky, found the text "flaky"',
      '8:3 unknown key "quality.coverag" (did you mean coverage?)',
    ],
  )
})

test('how it is released is read in its short forms, and steps that cannot be are refused', () => {
  const text = `name: shop
language: go
release:
  strategy: canary
  steps: [5, { weight: 50, min: 10s, max: 1h }, 100]
  thresholds: ["error rate below 2 %", p95 below 300ms]
  watch: { time: 1h, holdback: 1 }
  affinity: true
  override: { header: x-version }
  with: [blog]
`
  const parsed = parseServiceFile(text, 'headway.yaml')
  assert.deepEqual(parsed.kind === 'ok' && parsed.service.release, {
    strategy: 'canary',
    steps: [
      { weightPercent: 5, minMs: 60_000, maxMs: 600_000 },
      { weightPercent: 50, minMs: 10_000, maxMs: 3_600_000 },
      { weightPercent: 100, minMs: 60_000, maxMs: 600_000 },
    ],
    mirror: { sharePercent: 100, methods: ['GET', 'HEAD', 'OPTIONS'], minMs: 60_000, maxMs: 600_000 },
    ...{ noData: null, tolerance: 0, latency: true },
    thresholds: [
      { metric: 'error-rate', below: 0.02 },
      { metric: 'latency', quantile: 0.95, belowMs: 300 },
    ],
    watch: { timeMs: 3_600_000, holdbackPercent: 1 },
    freshBaseline: true,
    affinity: { cookie: 'headway-version', seconds: 3600 },
    override: { in: 'header', name: 'x-version', value: 'canary' },
    ...{ with: ['blog'], newer: 'supersede' },
  })
  const release = (lines: string) => said(`name: a\nlanguage: go\nrelease:\n${lines}`)
  assert.deepEqual(
    release('  strategy: canery\n  steps: [50, 10, 100]\n  noDate: hold\n  thresholds: [errors low]\n'),
    [
      '4:13 release.strategy: expected rolling, canary, blue-green or shadow, found the text "canery" (did you mean canary?)',
      '5:10 release.steps: expected weights that rise and end at 100, such as [10, 50, 100], found [50,10,100]',
      '6:3 unknown key "release.noDate" (did you mean noData?)',
      '7:16 release.thresholds.0: expected a line such as "error rate below 2 %" or "p95 below 300ms", found the text "errors low"',
    ],
  )
  assert.deepEqual(release('  steps: [10, 50]\n'), [
    '4:10 release.steps: expected weights that rise and end at 100, such as [10, 50, 100], found [10,50]',
  ])
  assert.deepEqual(release('  steps: [{ weight: 10, min: 1h, max: 1m }, 100]\n  watch: { hold: 1 }\n'), [
    '4:11 release.steps.0: expected a min that is not above max, found {"weight":10,"min":"1h","max":"1m"}',
    '5:12 unknown key "release.watch.hold" (did you mean holdback?)',
  ])
  assert.deepEqual(release('  strategy: rolling\n  steps: [10, 100]\n'), [
    '5:10 release.steps: steps are those of a canary or of what follows a shadow: take them out, or the other strategy, found [10,100]',
  ])
  assert.deepEqual(release('  with: [b, a]\n'), [
    '4:13 release.with.1: expected other services than this one, found the text "a"',
  ])
  const unnamed = parseServiceFile('name: a\nlanguage: go\nrelease: { steps: [10, 100] }\n', 'headway.yaml')
  assert.equal(unnamed.kind === 'ok' && unnamed.service.release?.strategy, 'canary')
})

test('metrics of its own by which a service is judged are counters or gauges, and each mistake says where it is', () => {
  const text = `name: shop
language: go
release:
  metrics:
    - name: failed-payments
      bad: payments_total{outcome="failed"}
      of: payments_total
    - { name: answered, good: calls_ok_total, of: calls_total, path: /internal/metrics }
    - { name: long-queue, gauge: queue_length, above: 100 }
`
  const parsed = parseServiceFile(text, 'headway.yaml')
  assert.deepEqual(parsed.kind === 'ok' && parsed.service.release?.metrics, [
    {
      ...{ kind: 'counter', name: 'failed-payments', path: '/metrics', counts: 'bad' },
      ...{ series: 'payments_total{outcome="failed"}', of: 'payments_total' },
    },
    {
      ...{ kind: 'counter', name: 'answered', path: '/internal/metrics', counts: 'good' },
      ...{ series: 'calls_ok_total', of: 'calls_total' },
    },
    { kind: 'gauge', name: 'long-queue', path: '/metrics', series: 'queue_length', above: 100, below: null },
  ])
  const metrics = (lines: string) => said(`name: a\nlanguage: go\nrelease:\n  metrics:\n${lines}`)
  assert.deepEqual(metrics('    - { name: Payments, bad: "a b", off: c }\n').slice(1), [
    '5:15 release.metrics.0.name: expected a name of lower-case letters, digits and dashes, such as failed-payments, found the text "Payments"',
    '5:30 release.metrics.0.bad: expected a series such as payments_total or payments_total{outcome="failed"}, found the text "a b"',
    '5:37 unknown key "release.metrics.0.off" (did you mean of?)',
  ])
  const kind =
    'expected what went wrong of how many ({ bad: payments_failed_total, of: payments_total }, or good in the place of bad), or a gauge with its bound ({ gauge: queue_length, above: 100 })'
  for (const wrong of [
    '{ name: a, bad: b }',
    '{ name: a, bad: b, good: c, of: d }',
    '{ name: a, gauge: b }',
    '{ name: a, gauge: b, of: c, above: 1 }',
    '{ name: a, bad: b, of: c, above: 1 }',
  ])
    assert.deepEqual(
      metrics(`    - ${wrong}\n`).map((line) => line.split(', found')[0]),
      [`5:7 release.metrics.0: ${kind}`],
      wrong,
    )
  assert.match(
    metrics('    - { name: a, bad: b, of: c }\n    - { name: a, good: b, of: c }\n').join(),
    /different names/,
  )
})
