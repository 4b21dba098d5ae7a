import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestCode } from './testing.ts'

/** What Git shows of the server's words, without the blanks that it fills lines with. */
const remoteLines = (stderr: string): string[] =>
  stderr.split('\n').flatMap((line) => (line.startsWith('remote: ') ? [line.slice('remote: '.length).trimEnd()] : []))

test("what speaks against a push into Headway's own repository is read from its quarantine, and refuses it", async () => {
  let seen = ''
  await using server = await openTestCode({
    own: {
      examine: async (_key, updates, variables) => {
        const [update] = updates
        const directory = join(server.home.repositories, 'default', 'environments.git')
        const env = { ...variables, GIT_DIR: directory, PATH: process.env.PATH ?? '' }
        seen = execFileSync('git', ['show', `${update?.after}:shop.yaml`], { env }).toString()
        return seen.includes('replcas') ? ['shop.yaml:1:1: unknown key replcas', 'nothing was changed'] : []
      },
      asked: async (_key, { after }) => [`asked for ${after?.length}`],
    },
  })
  const copy = await server.copy()
  await copy.must('remote', 'add', 'headway', server.url('environments.git'))
  const good = await copy.commit({ 'shop.yaml': 'replicas: 2\n' })
  const taken = await copy.git('push', '-o', 'async', 'headway', 'main')
  assert.equal(taken.code, 0, taken.stderr)
  assert.deepEqual(remoteLines(taken.stderr), ['accepted; headway watch shows how it fares'])
  const bad = await copy.commit({ 'shop.yaml': 'replcas: 2\n' })
  const refused = await copy.git('push', 'headway', 'main')
  assert.equal(refused.code, 1)
  assert.deepEqual(remoteLines(refused.stderr), ['shop.yaml:1:1: unknown key replcas', 'nothing was changed'])
  assert.equal(seen, 'replcas: 2\n')
  assert.match(await copy.must('ls-remote', 'headway', 'main'), new RegExp(`^${good}\t`))
  const tried = await server.ledger.read({ types: ['push.refused'] })
  assert.deepEqual(
    tried.map(({ actor, subject, payload }) => ({ actor, subject, payload })),
    [
      {
        actor: 'user:developer',
        subject: 'repository:default/environments',
        payload: {
          project: 'default',
          repository: 'environments',
          updates: [{ ref: 'refs/heads/main', before: good, after: bad }],
          reasons: ['shop.yaml:1:1: unknown key replcas', 'nothing was changed'],
        },
      },
    ],
  )
  assert.deepEqual(server.problems, [])
})
