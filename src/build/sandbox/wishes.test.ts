import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scope } from '../workflow/expression.ts'
import { parseWorkflow } from '../workflow/parse.ts'
import { containerIn, servicesIn } from './wishes.ts'

const scope: Scope = {
  contexts: { matrix: { node: 20, db: '' }, secrets: { TOKEN: 's3cret' } },
  status: { success: true, failure: false, cancelled: false },
}
const none = { env: {}, ports: [], volumes: [], options: '', credentials: null }

const jobOf = (yaml: string) => {
  const parsing = parseWorkflow(
    'ci.yml',
    `on: push\njobs:\n  a:\n    runs-on: x\n${yaml}    steps: [{ run: 'true' }]\n`.replaceAll('#{', '${{'),
  )
  if (parsing.kind === 'invalid') throw new Error(JSON.stringify(parsing.faults))
  const [job] = parsing.workflow.jobs
  if (!job) throw new Error('no job')
  return job
}

test('a container is an image or a mapping, with its expressions evaluated', async () => {
  const short = jobOf('    container: node:#{ matrix.node }}\n')
  assert.deepEqual(await containerIn(short.container, scope), { ...none, image: 'node:20' })
  const long = jobOf(`    container:
      image: docker://registry.example/app:1
      env: { A: 1, B: "#{ matrix.node }}" }
      ports: [80, "8080:81"]
      volumes: [data:/data]
      options: --cpus 1
      credentials: { username: me, password: "#{ secrets.TOKEN }}" }
`)
  assert.deepEqual(await containerIn(long.container, scope), {
    image: 'registry.example/app:1',
    env: { A: '1', B: '20' },
    ports: ['80', '8080:81'],
    volumes: ['data:/data'],
    options: '--cpus 1',
    credentials: { username: 'me', password: 's3cret' },
  })
})

test('an empty image means none', async () => {
  const job = jobOf(
    '    container: { image: "#{ matrix.db }}" }\n    services:\n      db: { image: "#{ matrix.db }}" }\n      cache: { image: redis }\n',
  )
  assert.equal(await containerIn(job.container, scope), null)
  assert.deepEqual(await servicesIn(job.services, scope), [{ ...none, id: 'cache', image: 'redis' }])
})
