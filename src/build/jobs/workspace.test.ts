import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRoot } from '../../home.ts'
import { prepareWorkspace, readInWorkspace } from './workspace.ts'

test("only a file of the job's own user is read for it", async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'headway-workspace-'))
  chmodSync(root, 0o711)
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const user = isRoot() ? { uid: 1_900_000_003, gid: 1_900_000_003 } : null
  const workspace = await prepareWorkspace(join(root, 'job'), 'app', user)
  writeFileSync(join(workspace.work, 'version'), '24\n')
  assert.equal(await readInWorkspace(workspace, 'version', null), '24\n')
  // As root reads it that a link, put in the way of the look, has led to.
  if (user) await assert.rejects(readInWorkspace(workspace, 'version', user), /does not belong to the job's user/)
  await assert.rejects(readInWorkspace(workspace, '../../files', null), /is outside of the workspace/)
})
