import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { hasEngine, startEngine, type TestEngine } from './support/docker.ts'

const files = {
  '.github/workflows/good.yml': `
on: push
jobs:
  inside:
    runs-on: x
    container: { image: "local/base:1", options: --user app, volumes: ["cache:/cache"] }
    services: { db: { image: "local/base:1", options: --entrypoint /usr/bin/serve } }
    steps: [{ run: test -w /cache || test -d /cache }]
  acting:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - uses: ./action
      - uses: docker://nowhere.invalid/none:1
        continue-on-error: true
      - uses: docker://local/base:1
        timeout-minutes: 0.02
        continue-on-error: true
        with: { entrypoint: /bin/sh, args: '-c "trap exit INT; while :; do sleep 0.1; done"' }
`,
  '.github/workflows/bomb.yml': `
on: push
jobs: { a: { runs-on: x, container: "local/base:1", steps: [{ shell: bash, run: ':(){ :|:& };:; sleep 60' }] } }
`,
  'action/action.yml': 'name: greet\nruns: { using: docker, image: Dockerfile }\n',
  'action/Dockerfile': 'FROM local/base:1\nENTRYPOINT ["/bin/sh", "-c", "echo hello > made"]\n',
}

/** What works on an engine, of all that a run passes. */
const isContainers =
  /^build\.(attach|signal|kill|make|start|remove)-(container|network|volume|image|exec|errand)|^build\.(build|pull)-image|^build\.(close-(directories|workspace)|give-(back|workspace)|run-errand):/

type Place = { readonly directory: string; readonly tree: string; readonly temporary: string }

/** A folder with these workflows, and a temporary directory of its own. */
const placeIn = (root: string, name: string): Place => {
  const directory = join(root, name)
  const [tree, temporary] = [join(directory, 'tree'), join(directory, 'tmp')]
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), text)
  }
  mkdirSync(temporary)
  for (const one of [directory, temporary]) chmodSync(one, 0o711)
  return { directory, tree, temporary }
}

const headway = join(import.meta.dirname, '../src/main.ts')

const run = async (
  engine: TestEngine,
  place: Place,
  workflow: string,
  environment: Readonly<Record<string, string>>,
) => {
  const argv = ['--disable-warning=ExperimentalWarning', headway, 'run', workflow, '--json']
  const child = spawn(process.execPath, argv, {
    cwd: place.tree,
    env: {
      PATH: process.env.PATH,
      HOME: place.directory,
      DOCKER_HOST: engine.host,
      TMPDIR: place.temporary,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const [, signal] = await once(child, 'close')
  return { signal, said }
}

const Result = z.object({ conclusion: z.string(), failure: z.object({ detail: z.string() }).nullable() })
const Containers = z.array(z.object({ Labels: z.record(z.string(), z.string()) }))

/** Whose containers are there, of those that had their home in this place. */
const homesOf = async (engine: TestEngine, { temporary }: Place): Promise<Set<string>> => {
  const found = Containers.parse(await engine.ask('GET', '/containers/json?all=true'))
  const homes = found.map(({ Labels }) => Labels['headway.home'] ?? '')
  return new Set(homes.filter((home) => home.startsWith(temporary)))
}

const programsBelow = (root: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const of = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1')
      return /^\d+$/.test(pid) && `${of('environ')}${of('cmdline')}`.includes(root)
    } catch {
      return false
    }
  })

test('a run in containers that is killed at any effect leaves nothing that the next one does not remove', {
  skip: hasEngine ? false : 'there is no dockerd on this machine',
  timeout: 580_000,
}, async () => {
  await using engine = await startEngine()
  const root = mkdtempSync(join(tmpdir(), 'hw-container-kills-'))
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
  chmodSync(root, 0o711)

  const passedBy = async (workflow: string): Promise<[workflow: string, mark: string][]> => {
    const place = placeIn(root, workflow)
    const trace = join(place.directory, 'trace')
    const { said } = await run(engine, place, workflow, { HEADWAY_FAILPOINT_TRACE: trace })
    const { conclusion, failure } = Result.parse(JSON.parse(said))
    if (workflow === 'good.yml') assert.equal(conclusion, 'success', said)
    else assert.match(failure?.detail ?? '', /the job was ended: more than \d+ processes/)
    const marks = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n') : []
    return [...new Set(marks.filter((mark) => isContainers.test(mark)))].map((mark) => [workflow, mark])
  }
  const passed = [...(await passedBy('good.yml')), ...(await passedBy('bomb.yml'))]
  const left = [...new Map(passed.reverse().map(([workflow, mark]) => [mark, workflow])).entries()]
  // All of 21 effects, but after a pull: there is no registry here from which one would succeed.
  assert.equal(left.length, 41, left.map(([mark]) => mark).join(' '))

  /** One run after another in the same place, each killed at a mark: what one leaves the next must remove before its own turn. */
  const suffer = async (place: Place): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
      const [mark, workflow] = next
      const { signal, said } = await run(engine, place, workflow, { HEADWAY_FAILPOINT: mark })
      assert.equal(signal, 'SIGKILL', `${mark} did not kill: ${said}`)
      const homes = await homesOf(engine, place)
      assert.ok(homes.size <= 1, `${mark}: containers of earlier runs are left: ${[...homes]}`)
    }
    const { said } = await run(engine, place, 'good.yml', {})
    assert.equal(Result.parse(JSON.parse(said)).conclusion, 'success')
    assert.deepEqual(readdirSync(place.temporary), [])
  }
  await Promise.all(['one', 'two', 'three'].map((name) => suffer(placeIn(root, name))))
  assert.deepEqual(programsBelow(root), [])
  assert.deepEqual(await engine.labelled(), { containers: 0, networks: 0, volumes: 0, images: 0 })
})
