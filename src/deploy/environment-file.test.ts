import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../problem.ts'
import { defaultSet, type EnvironmentSet, readEnvironments } from './environment-file.ts'

const read = (files: Readonly<Record<string, string>>): EnvironmentSet =>
  readEnvironments(Object.entries(files).map(([path, text]) => ({ path, text })))

const refusal = (files: Readonly<Record<string, string>>): string => {
  try {
    read(files)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return `${error.where?.file}:${error.where?.line}:${error.where?.column}: ${error.detail}`
  }
  return 'read'
}

test('a repository that defines none has production, which every push goes to', () => {
  assert.deepEqual(read({ 'production/default/shop.yaml': 'replicas: 3' }), defaultSet)
  assert.deepEqual(defaultSet.environments[0].promote, {
    from: 'push',
    policy: 'automatic',
    soak: 0,
    approval: { role: 'operator', quorum: 1, expires: 86_400_000, notAuthor: true },
  })
})

test('environments stand in the order in which releases reach them, times are milliseconds', () => {
  const { environments } = read({
    'production/environment.yaml': [
      'promote: { from: qa, policy: approval, soak: 30m, approval: { quorum: 2, expires: 4h } }',
      'windows: [{ days: [mon, fri], from: "09:00", to: "17:00", timezone: Europe/Zurich }]',
      'freeze: [{ from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00+01:00, reason: holidays }]',
      'strategy: canary',
      'drift: report',
      'requires: [security]',
    ].join('\n'),
    'qa/environment.yaml': 'promote: { from: staging, policy: soak, soak: 1h }',
    'security/environment.yaml': '',
    'staging/environment.yaml': '# as by default',
  })
  assert.deepEqual(
    environments.map(({ name }) => name),
    ['security', 'staging', 'qa', 'production'],
  )
  assert.deepEqual(environments[3], {
    name: 'production',
    promote: {
      from: 'qa',
      policy: 'approval',
      soak: 1_800_000,
      approval: { role: 'operator', quorum: 2, expires: 14_400_000, notAuthor: true },
    },
    windows: [{ days: ['mon', 'fri'], from: '09:00', to: '17:00', timezone: 'Europe/Zurich' }],
    freeze: [{ from: Date.UTC(2026, 11, 24), until: Date.UTC(2026, 11, 26, 23), reason: 'holidays' }],
    strategy: 'canary',
    drift: 'report',
    requires: ['security'],
    alerts: [],
  })
})

const broken: Readonly<Record<string, readonly [string, Readonly<Record<string, string>>]>> = {
  'a mistyped key': [
    'production/environment.yaml:2:3: unknown key promote.polcy',
    { 'production/environment.yaml': 'promote:\n  polcy: approval\n' },
  ],
  'a mistyped policy': [
    'production/environment.yaml:1:20: promote.policy: expected automatic, soak, approval, found "aproval"',
    { 'production/environment.yaml': 'promote: { policy: aproval }' },
  ],
  'a mistyped strategy': [
    'production/environment.yaml:1:11: strategy: expected rolling, canary, blue-green, shadow, found "canery"',
    { 'production/environment.yaml': 'strategy: canery' },
  ],
  'a span that is none': [
    'production/environment.yaml:1:18: promote.soak: expected a time such as 90s, 30m, 24h or 7d',
    { 'production/environment.yaml': 'promote: { soak: soon }' },
  ],
  'a soak of nothing': [
    'production/environment.yaml:1:10: promote.soak: the policy soak needs a time such as soak: 30m',
    { 'production/environment.yaml': 'promote: { from: staging, policy: soak }', 'staging/environment.yaml': '' },
  ],
  'nobody to come from': [
    'production/environment.yaml:1:18: there is no environment stagging to promote from',
    { 'production/environment.yaml': 'promote: { from: stagging }', 'staging/environment.yaml': '' },
  ],
  'each from the other': [
    'production/environment.yaml:1:18: nothing can ever reach production: what it comes from comes from it',
    {
      'production/environment.yaml': 'promote: { from: staging }',
      'staging/environment.yaml': 'promote: { from: production }',
    },
  ],
  'a time zone that is none': [
    'production/environment.yaml:1:23: windows.0.timezone: expected a time zone such as Europe/Zurich',
    { 'production/environment.yaml': 'windows: [{ timezone: Mars/Olympus }]' },
  ],
  'a freeze that ends before it begins': [
    'production/environment.yaml:1:10: freeze.0: it ends before it begins',
    { 'production/environment.yaml': 'freeze: [{ from: 2026-02-01T00:00:00Z, until: 2026-01-01T00:00:00Z }]' },
  ],
  'the name of a preview': [
    'change-3/environment.yaml:1:1: the name change-3 is kept for previews of changes',
    { 'change-3/environment.yaml': 'drift: mend' },
  ],
  'no YAML': [
    'production/environment.yaml:1:11: Flow sequence in block collection must be sufficiently indented and end with a ]',
    { 'production/environment.yaml': 'windows: [' },
  ],
}

for (const [what, [expected, files]] of Object.entries(broken))
  test(`${what} is refused with its place`, () => assert.equal(refusal(files), expected))
