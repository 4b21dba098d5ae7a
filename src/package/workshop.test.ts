import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { run } from '../processes/run.ts'
import { wholeOf } from './layer.ts'
import { openWorkshop } from './workshop.ts'

/** A layer of one file, whose tar complains so, as often as is said, before it does what it is told. */
const packed = async (context: TestContext, complaint: string, times: number) => {
  const root = mkdtempSync(join(tmpdir(), 'hw-workshop-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  let runs = 0
  const service = { path: '.', env: {}, toolDirectory: null }
  await using workshop = await openWorkshop(
    async (command, signal) => {
      const outcome = await run(command, signal)
      if (command.argv[0] !== 'tar') return outcome
      runs += 1
      return runs > times ? outcome : { ...outcome, exitCode: 1, stderr: complaint }
    },
    join(root, 'shop'),
    service,
    {},
    null,
  )
  writeFileSync(join(workshop.work, 'server.js'), 'hello')
  const layer = await wholeOf(workshop.collect(null, () => true, 0))
  return { runs, holdsFile: layer.includes('app/server.js') }
}

test('what is touched while it is packed, as other links to it go, is packed again', async (context) => {
  const complaint = 'tar: ./a: file changed as we read it\ntar: ./b c: file changed as we read it\n'
  assert.deepEqual(await packed(context, complaint, 2), { runs: 3, holdsFile: true })
  await assert.rejects(packed(context, complaint, 100), /file changed as we read it/)
})

test('whatever else tar complains of fails at once', async (context) => {
  const complaint = 'tar: ./a: file changed as we read it\ntar: ./b: Cannot open: Permission denied\n'
  await assert.rejects(packed(context, complaint, 1), /Permission denied/)
})
