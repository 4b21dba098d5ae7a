import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveCalls, type WorkflowPlace, type WorkflowTree } from './call.ts'
import { parseWorkflow } from './parse.ts'

const main = '.github/workflows/main.yml'
const callee = (inputs = '', jobs = 'jobs: { b: { runs-on: x, steps: [{ run: x }] } }'): string =>
  `on: { workflow_call: { ${inputs} } }\n${jobs}\n`
const calling = (uses: string, more = ''): string => `on: push\njobs:\n  a:\n    uses: ${uses}\n${more}`

const resolve = async (
  files: Readonly<Record<string, string>>,
  others: Readonly<Record<string, WorkflowPlace>> = {},
) => {
  const place: WorkflowPlace = { read: async (file) => files[file] ?? null }
  const parsing = parseWorkflow(main, files[main] ?? '')
  assert.equal(parsing.kind, 'parsed', JSON.stringify(parsing))
  if (parsing.kind !== 'parsed') throw new Error('unreachable')
  return resolveCalls(
    parsing.workflow,
    place,
    async (owner, name, ref) => others[`${owner}/${name}@${ref}`] ?? 'not here',
  )
}
const faultsOf = async (...given: Parameters<typeof resolve>): Promise<string[]> => {
  const calling = await resolve(...given)
  return calling.kind === 'invalid' ? calling.faults.map(({ detail, at }) => `${at.line}:${at.column} ${detail}`) : []
}
const shapeOf = ({ workflow, calls }: WorkflowTree): unknown => ({
  file: workflow.file,
  calls: Object.fromEntries(Array.from(calls, ([id, tree]) => [id, shapeOf(tree)])),
})

test('a workflow is found with those that it calls, in its repository and in others', async () => {
  const shared = { read: async (file: string) => (file === '.github/workflows/s.yml' ? callee() : null) }
  const found = await resolve(
    {
      [main]: calling('./.github/workflows/one.yml'),
      '.github/workflows/one.yml': callee('', 'jobs: { c: { uses: team/shared/.github/workflows/s.yml@v1 } }'),
    },
    { 'team/shared@v1': shared },
  )
  assert.deepEqual(found.kind === 'resolved' && shapeOf(found.tree), {
    file: main,
    calls: {
      a: { file: '.github/workflows/one.yml', calls: { c: { file: '.github/workflows/s.yml', calls: {} } } },
    },
  })
})

test('what cannot be called is refused at the place of the call', async () => {
  const one = '.github/workflows/one.yml'
  assert.deepEqual(await faultsOf({ [main]: calling('./one.yml') }), [
    '4:11 uses: ./one.yml of job a must be ./.github/workflows/<file>.yml or <owner>/<repository>/.github/workflows/<file>.yml@<ref>',
  ])
  assert.deepEqual(await faultsOf({ [main]: calling('./.github/workflows/one.yml') }), [
    '4:11 job a calls ./.github/workflows/one.yml, but there is no workflow .github/workflows/one.yml',
  ])
  assert.deepEqual(await faultsOf({ [main]: calling('team/other/.github/workflows/x.yml@main') }), [
    '4:11 job a cannot call team/other/.github/workflows/x.yml@main: not here',
  ])
  assert.deepEqual(
    await faultsOf({
      [main]: calling(`./${one}`),
      [one]: 'on: push\njobs: { b: { runs-on: x, steps: [{ run: x }] } }\n',
    }),
    [`4:11 job a calls ./${one}, which is not reusable: it has no on: workflow_call`],
  )
  assert.deepEqual(await faultsOf({ [main]: calling(`./${one}`), [one]: callee('', 'jobs: { b: { stepz: 1 } }') }), [
    `4:11 ./${one} cannot be called: ${one}:2:14 Unexpected value 'stepz'`.replace('2:14 ', '2:14: '),
  ])
})

test('what is wrong far below is told with its own place, without all that lies between', async () => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => `.github/workflows/${name}.yml`)
  const found = await faultsOf({
    [main]: calling(`./${one}`),
    [`${one}`]: callee('', `jobs: { b: { uses: ./${two} } }`),
    [`${two}`]: callee('', `jobs: { b: { uses: ./${three} } }`),
    [`${three}`]: callee('', 'jobs: { b: { stepz: 1 } }'),
  })
  assert.deepEqual(found, [`4:11 ./${one} cannot be called: ${three}:2:14: Unexpected value 'stepz'`])
})

test('a called workflow of another repository, and what that calls there, keep where they are from', async () => {
  const origin = { repository: 'team/shared', ref: 'refs/tags/v1', commit: '2'.repeat(40) }
  const files: Readonly<Record<string, string>> = {
    '.github/workflows/s.yml': callee('', 'jobs: { d: { uses: ./.github/workflows/t.yml } }'),
    '.github/workflows/t.yml': callee(),
  }
  const found = await resolve(
    { [main]: calling('team/shared/.github/workflows/s.yml@v1') },
    { 'team/shared@v1': { origin, read: async (file) => files[file] ?? null } },
  )
  assert.equal(found.kind, 'resolved')
  if (found.kind !== 'resolved') return
  const called = found.tree.calls.get('a')
  assert.deepEqual(
    [found.tree, called, called?.calls.get('d')].map((tree) => tree?.workflow.origin),
    [undefined, origin, origin],
  )
})

test('inputs and secrets are those that the called workflow wants', async () => {
  const one = '.github/workflows/one.yml'
  const wants = callee('inputs: { n: { type: number, required: true } }, secrets: { key: { required: true } }')
  assert.deepEqual(
    await faultsOf({
      [main]: calling(`./${one}`, '    with: { n: many, x: 1 }\n    secrets: { other: y }\n'),
      [one]: wants,
    }),
    [
      '5:16 Input n must be a number, not "many".',
      '5:22 Invalid input, x is not defined in the referenced workflow.',
      '6:16 Invalid secret, other is not defined in the referenced workflow.',
      '4:11 Secret key is required, but not provided while calling.',
    ],
  )
  assert.deepEqual(
    await faultsOf({ [main]: calling(`./${one}`, '    with: { n: 1 }\n    secrets: inherit\n'), [one]: wants }),
    [],
  )
})

test('ten levels of workflows are connected, an eleventh is refused', async () => {
  const level = (number: number): string => `.github/workflows/l${number}.yml`
  const chain = (levels: number): Record<string, string> => {
    const files: Record<string, string> = { [main]: calling(`./${level(2)}`) }
    for (let number = 2; number < levels; number += 1)
      files[level(number)] = callee('', `jobs: { b: { uses: ./${level(number + 1)} } }`)
    return { ...files, [level(levels)]: callee() }
  }
  assert.deepEqual(await faultsOf(chain(10)), [])
  const [fault = ''] = await faultsOf(chain(11))
  assert.match(fault, /^4:11 .*as the eleventh level; at most ten levels of workflows are connected$/)
  const [circle = ''] = await faultsOf({
    [main]: calling(`./${level(2)}`),
    [level(2)]: callee('', `jobs: { b: { uses: ./${level(2)} } }`),
  })
  assert.match(circle, /eleventh level/)
})
