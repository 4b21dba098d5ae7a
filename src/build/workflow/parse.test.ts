import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unknownReferences } from './names.ts'
import { parseWorkflow } from './parse.ts'
import type { RunStep } from './workflow.ts'

const file = '.github/workflows/ci.yml'
const job = (lines: string): string => `on: push\njobs:\n  a:\n    runs-on: x\n${lines}`
const faultsOf = (text: string): string[] => {
  const parsing = parseWorkflow(file, text)
  return parsing.kind === 'invalid' ? parsing.faults.map(({ detail, at }) => `${at.line}:${at.column} ${detail}`) : []
}
const runSteps = (text: string): RunStep[] => {
  const parsing = parseWorkflow(file, text)
  assert.equal(parsing.kind, 'parsed', JSON.stringify(parsing))
  return parsing.kind === 'parsed'
    ? parsing.workflow.jobs.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === 'run' ? [step] : [])))
    : []
}

test('a block scalar with an expression keeps its text without the indentation', () => {
  const [step] = runSteps(job('    steps:\n      - run: |\n          echo "${{ github.sha }}"\n            deeper\n'))
  assert.deepEqual(step?.script, {
    kind: 'expression',
    expression: 'format(\'echo "{0}"\n  deeper\n\', github.sha)',
    text: 'echo "${{ github.sha }}"\n  deeper\n',
    at: { line: 6, column: 14 },
  })
})

test('what the library drops in its conversion is read', () => {
  const parsing = parseWorkflow(
    file,
    `name: all
on: { push: { branches: [main], paths-ignore: ['docs/**'] } }
defaults: { run: { shell: sh } }
jobs:
  a:
    runs-on: x
    timeout-minutes: 7
    continue-on-error: true
    defaults: { run: { working-directory: web } }
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
      - run: make
        shell: bash
        working-directory: lib
        timeout-minutes: 2
        continue-on-error: true
`,
  )
  assert.equal(parsing.kind, 'parsed')
  if (parsing.kind !== 'parsed') return
  const { name, on, defaults, jobs } = parsing.workflow
  const literals = JSON.parse(
    JSON.stringify({ name, on, defaults, jobs }, (key, value) =>
      /^at$|At$/.test(key) ? undefined : value?.kind === 'literal' ? value.value : value,
    ),
  )
  assert.deepEqual(literals, {
    name: 'all',
    on: [{ event: 'push', branches: ['main'], pathsIgnore: ['docs/**'], schedules: [], inputs: [] }],
    defaults: { shell: 'sh' },
    jobs: [
      {
        id: 'a',
        needs: [],
        runsOn: 'x',
        defaults: { workingDirectory: 'web' },
        timeoutMinutes: 7,
        continueOnError: true,
        steps: [
          {
            id: null,
            kind: 'uses',
            action: 'actions/checkout@v4',
            with: { kind: 'mapping', entries: [{ key: 'fetch-depth', value: '0' }] },
          },
          {
            id: null,
            kind: 'run',
            script: 'make',
            shell: 'bash',
            workingDirectory: 'lib',
            timeoutMinutes: 2,
            continueOnError: true,
          },
        ],
      },
    ],
  })
})

test('mistakes are named with their line and column, all of them', () => {
  assert.deepEqual(faultsOf(job('    stepz: []\n    steps:\n      - run: "${{ nope.x }}"\n')), [
    "5:5 Unexpected value 'stepz'",
    "7:15 Unrecognized named-value: 'nope'",
  ])
  assert.deepEqual(faultsOf('on: push\njobs:\n  a:\n    runs-on: x\n   b: c'), [
    '5:1 All mapping items must start at the same column',
  ])
  assert.deepEqual(faultsOf(''), ['1:1 The workflow is empty'])
})

test('anchors are taken, merge keys are refused', () => {
  const [one, two] = runSteps(job('    steps:\n      - run: &script echo\n      - run: *script\n'))
  assert.deepEqual([one?.script.kind === 'literal' && one.script.value, two?.script.kind], ['echo', 'literal'])
  assert.deepEqual(
    faultsOf('on: push\njobs:\n  a: &a\n    runs-on: x\n    steps: [{ run: x }]\n  b:\n    <<: *a\n').slice(0, 1),
    ['7:5 merge keys (<<) are not supported; use anchors and aliases for whole values'],
  )
})

test('aliases that multiply are refused before they fill the memory', () => {
  const levels = Array.from({ length: 8 }, (_, n) => `  A${n + 1}: &a${n + 1} [${`*a${n},`.repeat(10)}]`)
  const faults = faultsOf(`on: push\nenv:\n  A0: &a0 [x,x,x,x]\n${levels.join('\n')}\njobs: {}`)
  assert.ok(faults.some((fault) => fault.includes('more than 50000 values')))
})

test('what is not supported is said by name and line', () => {
  assert.deepEqual(
    faultsOf(
      job(
        '    container: node:20\n    services: { db: { image: postgres } }\n    snapshot: mine\n    steps: [{ uses: checkout@v4 }]\n',
      ),
    ),
    [
      '7:5 job a asks for a snapshot of the runner (snapshot:), which is not supported',
      '8:21 uses: checkout@v4 is neither owner/repository[/path]@ref nor ./path nor docker://image',
    ],
  )
})

test('needs that are unknown or go round in a circle are refused', () => {
  const steps = 'runs-on: x, steps: [{ run: x }]'
  assert.deepEqual(faultsOf(`on: push\njobs:\n  a: { needs: b, ${steps} }\n`), [
    '3:15 job a needs b, which is not a job here',
  ])
  assert.deepEqual(faultsOf(`on: push\njobs:\n  a: { needs: b, ${steps} }\n  b: { needs: [a], ${steps} }\n`), [
    '3:3 the needs of job a go round in a circle: no job of it could start first',
  ])
})

test('broken YAML is told with the first place, not with all that comes of it', () => {
  assert.deepEqual(
    faultsOf(
      "on: push\njobs:\n  a: { runs-on: x, steps: [{ shell: sh {0}, run: x }] }\n  b: { runs-on: x }\n  c: { runs-on: ''[]'' }\n",
    ).length,
    1,
  )
})

test('a broken condition, a double step id and a bad job id are refused', () => {
  assert.deepEqual(
    faultsOf(job('    steps:\n      - { id: x, run: a, if: "github.ref ==" }\n      - { id: X, run: b }\n')),
    ["6:30 if: Unexpected end of expression: '=='", '7:9 step id X is used twice in job a'],
  )
  assert.deepEqual(faultsOf('on: push\njobs:\n  1a: { runs-on: x, steps: [{ run: x }] }\n'), [
    '3:3 job id "1a" must start with a letter or _ and have only letters, digits, - and _, at most 100',
  ])
})

test('references to steps and jobs that are not there are told with their place, and are nothing', () => {
  const text = job('    steps: [{ run: "${{ steps.x.outputs.y }} ${{ needs.b.result }}" }]\n')
  const parsing = parseWorkflow('ci.yml', `${text}  b: { runs-on: x, steps: [{ run: x }] }\n`)
  const jobs = parsing.kind === 'parsed' ? parsing.workflow.jobs : []
  assert.deepEqual(
    jobs.map((one) => unknownReferences('ci.yml', one)),
    [
      [
        'ci.yml:5:20: job a refers to steps.x, but has no step with that id',
        'ci.yml:5:20: job a refers to needs.b, but does not need that job',
      ],
      [],
    ],
  )
})

test('a matrix with too many rows, an empty vector and a broken schedule are refused with their place', () => {
  const numbers = Array.from({ length: 17 }, (_, number) => number).join(', ')
  const steps = '    steps: [{ run: x }]\n'
  assert.deepEqual(faultsOf(job(`    strategy: { matrix: { a: [${numbers}], b: [${numbers}] } }\n${steps}`)), [
    '5:25 The matrix has more than 256 rows',
  ])
  assert.deepEqual(faultsOf(job(`    strategy: { matrix: { a: [] } }\n${steps}`)), [
    "5:25 Matrix vector 'a' does not contain any values",
  ])
  const schedule = "on: { schedule: [{ cron: '61 * * * *' }, { cron: '1 * * * *', timezone: Nowhere/Land }] }\n"
  assert.deepEqual(faultsOf(`${schedule}jobs: { a: { runs-on: x, steps: [{ run: x }] } }\n`), [
    '1:26 cron: "61 * * * *" is no crontab line of five fields',
    '1:50 timezone: "Nowhere/Land" is no IANA time zone',
  ])
})
