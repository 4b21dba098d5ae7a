import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isFact } from '../../ledger/fact.ts'
import { RepositoryName } from '../../names.ts'
import { refUpdated } from '../facts.ts'
import { identityNamed } from '../server-testing.ts'
import { gitIn } from '../testing.ts'
import { proposalAnswered } from './facts.ts'
import { defaultRules, type Rules } from './rules.ts'
import { eventually, openShop, type Shop, startChanges, type TestChanges, verified } from './testing.ts'

describe('a change', { concurrency: 4, timeout: 120_000 }, () => {
  let changes: TestChanges
  let server: TestChanges['server']
  let build: TestChanges['build']
  before(async () => {
    changes = await startChanges()
    ;({ server, build } = changes)
  })
  after(() => changes.end())

  const ada = identityNamed('developer')
  const bob = identityNamed('developer-bob')
  const setRules = (shop: Shop, rules: Partial<Rules>) =>
    shop.changes.setRules(shop.key, { ...defaultRules, ...rules }, identityNamed('operator'))

  test('is opened by a push that asks for it, and its merge result is tested as a pull request', async () => {
    const shop = await openShop(server, 'opened')
    const head = await shop.propose('search', { 'search.txt': 'found\n' })
    const change = await shop.until(1, ({ test }) => test?.conclusion === 'success')
    assert.deepEqual(
      [change.number, change.status, change.title, change.author, change.branch, change.target, change.head],
      [1, 'open', 'change', 'developer', 'search', 'main', head],
    )
    assert.deepEqual(change.blockers, [])
    assert.deepEqual(
      change.test?.checks.map(({ name, conclusion }) => [name, conclusion]),
      [
        ['ci', 'success'],
        ['unit tests', 'success'],
      ],
    )
    const [raised] = build.raised.filter(({ repository }) => repository === shop.key.repository)
    assert.deepEqual(
      raised && [raised.name, raised.action, raised.ref, raised.baseRef, raised.headRef, raised.changedSince],
      ['pull_request', 'opened', 'refs/pull/1/merge', 'main', 'search', shop.base],
    )
    assert.equal(raised?.isTrusted, false)
    const { pull_request: told, number, action } = raised?.payload ?? {}
    assert.deepEqual({ number, action }, { number: 1, action: 'opened' })
    assert.partialDeepStrictEqual(told, {
      title: 'change',
      merged: false,
      user: { login: 'developer' },
      head: { ref: 'search', sha: head },
      base: { ref: 'main', sha: shop.base },
    })
    const parents = await gitIn(server.code.repositoryPath(shop.key.project, shop.key.repository), [
      ...['log', '-1', '--format=%P', raised?.commit ?? ''],
    ])
    assert.equal(parents.stdout.trim(), `${shop.base} ${head}`)
  })

  test('tells who pushes its number, its address and how its checks go', async () => {
    const shop = await openShop(server, 'told')
    await shop.copy.must('checkout', '--quiet', '-b', 'story')
    await shop.copy.commit({ 'a.txt': 'a\n' })
    const pushing = shop.copy.git('push', '-o', 'change', '-o', 'title=Tell me', 'headway', 'story')
    // Nobody verifies the branch here; the story of the push itself would go on for ever.
    const { push } = await eventually(server.ledger, async () => {
      const facts = await server.ledger.read({ types: [refUpdated.type] })
      const update = facts.findLast((one) => isFact(refUpdated, one) && one.payload.ref === 'refs/heads/story')
      return update && isFact(refUpdated, update) ? update.payload : null
    })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await server.ledger.append([verified(shop, push, await shop.copy.must('rev-parse', 'HEAD'))])
    const lines = (await pushing).stderr.split('\n').map((line) => line.replace(/^remote: /, '').trimEnd())
    const told = lines.filter((line) => /change 1|ci|unit/.test(line))
    assert.deepEqual(
      told.map((line) =>
        line
          .replace(/\s+/g, ' ')
          .replace(/run-event-\w+/, 'run')
          .replace(/:\d+\//, ':port/')
          .replace(/ [\d.]+ (ms|s)$/, ' time')
          .trim(),
      ),
      [
        '· change 1 http://127.0.0.1:port/api/v1/projects/default/repositories/told/changes/1',
        '· pipeline ci run',
        '✓ unit tests time',
        'change 1: its checks have passed; headway changes merge told/1',
      ],
    )
    assert.equal((await shop.show(1)).title, 'Tell me')
  })

  test('gets a new version with every push, and what was approved is to be approved again', async () => {
    const shop = await openShop(server, 'updated')
    await shop.propose('search', { 'search.txt': 'one\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.changes.approve(shop.change(1), bob)
    await shop.copy.must('commit', '--quiet', '--amend', '--message', 'amended')
    await shop.push('+search')
    const change = await shop.until(1, ({ version, test }) => version === 2 && test?.conclusion === 'success')
    assert.deepEqual(change.approvals, [])
    assert.equal(change.head, await shop.copy.must('rev-parse', 'HEAD'))
    const actions = build.raised.filter(({ repository }) => repository === 'updated').map(({ action }) => action)
    assert.deepEqual(actions, ['opened', 'synchronize'])
    const versions = await gitIn(server.code.repositoryPath(shop.key.project, shop.key.repository), [
      ...['for-each-ref', '--format=%(refname)', 'refs/changes', 'refs/headway'],
    ])
    assert.deepEqual(versions.stdout.trim().split('\n'), [
      'refs/changes/1/head',
      'refs/changes/1/merge',
      'refs/headway/changes/1/1',
      'refs/headway/changes/1/2',
    ])
  })

  test('that conflicts says with which files, is not tested, and is looked at again when the target moves', async () => {
    const shop = await openShop(server, 'conflict')
    await shop.propose('mine', { 'app.txt': 'mine\n' })
    await shop.copy.must('checkout', '--quiet', 'main')
    await shop.copy.commit({ 'app.txt': 'yours\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.push('main')
    await shop.merge(1)
    const refused = await shop.until(1, ({ note }) => note !== null)
    assert.equal(refused.note, 'it conflicts with main: app.txt')
    assert.deepEqual(
      refused.blockers.map(({ kind, detail }) => ({ kind, detail })),
      [{ kind: 'conflict', detail: 'it conflicts with main: app.txt' }],
    )
    await shop.copy.must('revert', '--no-edit', 'HEAD')
    await shop.push('main')
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
  })

  test('needs the approvals that the rules want, of developers who have no part in it', async () => {
    const shop = await openShop(server, 'approved')
    await setRules(shop, { approvals: 1 })
    await shop.propose('search', { 'search.txt': 'found\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await assert.rejects(shop.changes.approve(shop.change(1), ada), { kind: 'own-change', status: 403 })
    const waiting = await shop.merge(1)
    assert.deepEqual(
      waiting.blockers.map(({ kind }) => kind),
      ['approvals'],
    )
    // Somebody who approves without the role to does not count, however that came about.
    await shop.changes.approve(shop.change(1), identityNamed('viewer'))
    assert.deepEqual((await shop.show(1)).approvers, [])
    await shop.changes.approve(shop.change(1), bob)
    assert.deepEqual((await shop.until(1, ({ status }) => status === 'merged')).approvers, ['developer-bob'])
  })

  test('is not approved by who has pushed to it', async () => {
    const shop = await openShop(server, 'pushers')
    await shop.propose('search', { 'search.txt': 'one\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.copy.commit({ 'search.txt': 'two\n' })
    await shop.push('search', 'developer-bob')
    await shop.until(1, ({ version }) => version === 2)
    await assert.rejects(shop.changes.approve(shop.change(1), bob), { kind: 'own-change' })
  })

  test('is trusted only where the rules say so and a developer of today has pushed it', async () => {
    const shop = await openShop(server, 'trusted')
    const trustOf = async (number: number) => {
      const { test } = await shop.until(number, (details) => details.test?.conclusion === 'success')
      return build.raised.find(({ event }) => event === test?.event)?.isTrusted
    }
    await setRules(shop, { trustDevelopers: true })
    await shop.propose('a', { 'a.txt': 'a\n' })
    await shop.propose('b', { 'b.txt': 'b\n' }, 'developer-mallory')
    assert.equal(await trustOf(1), true)
    await trustOf(2)
    server.roles.set('developer-mallory', 'viewer')
    await shop.changes.retest(shop.change(2), ada)
    assert.equal(await trustOf(2), false)
  })

  test("has refs that are Headway's to write", async () => {
    const shop = await openShop(server, 'refs')
    await shop.propose('search', { 'search.txt': 'found\n' })
    const ready = await shop.until(1, ({ test }) => test?.conclusion === 'success')
    for (const refspec of ['main:refs/changes/1/head', ':refs/changes/1/merge', 'main:refs/headway/changes/1/1']) {
      const refused = await shop.copy.git('push', 'headway', refspec)
      assert.notEqual(refused.code, 0, refspec)
    }
    const { stdout } = await shop.copy.git('ls-remote', 'headway', 'refs/changes/*', 'refs/headway/*')
    assert.equal(stdout, `${ready.head}\trefs/changes/1/head\n${ready.test?.candidate}\trefs/changes/1/merge\n`)
  })

  test('needs a repository, two branches, and something that the target does not have', async () => {
    const shop = await openShop(server, 'nothing')
    const open = (repository: string, branch: string, target: string | null = null) =>
      shop.changes.open(
        { ...shop.key, repository: RepositoryName.parse(repository) },
        { branch, target, title: null, body: '' },
        ada,
      )
    await assert.rejects(open('nowhere', 'a'), { kind: 'repository-not-found', status: 404 })
    await assert.rejects(open('nothing', 'a'), { kind: 'branch-not-found', status: 404 })
    await assert.rejects(open('nothing', 'main'), { kind: 'change-needs-branch', status: 422 })
    await shop.push('main:same')
    await assert.rejects(open('nothing', 'same'), { kind: 'nothing-to-merge', status: 422 })
    await assert.rejects(shop.show(1), { kind: 'change-not-found', status: 404 })
  })

  test('that a job has pushed or gone on with starts nothing by itself, and no job has it tested', async () => {
    const shop = await openShop(server, 'robots')
    const job = { ...ada, user: 'run run-1', actor: 'job:run-1/test' }
    await shop.copy.must('checkout', '--quiet', '-b', 'robot')
    await shop.copy.commit({ 'made.txt': 'by a job\n' })
    await shop.push('robot')
    await shop.changes.open(shop.key, { branch: 'robot', target: null, title: null, body: '' }, job)
    const { blockers, test: none } = await shop.show(1)
    assert.deepEqual(
      [none, blockers],
      [null, [{ kind: 'untested', detail: 'a job pushed it, which starts nothing; headway changes retest robots/1' }]],
    )
    await assert.rejects(shop.changes.retest(shop.change(1), job), { status: 403 })
    await shop.changes.retest(shop.change(1), ada)
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.changes.abandon(shop.change(1), ada, null)
    await shop.changes.reopen(shop.change(1), job)
    assert.equal((await shop.show(1)).blockers[0]?.kind, 'untested')
  })

  test('takes titles, branch names and options of any kind as text', async () => {
    const shop = await openShop(server, 'hostile')
    const branch = 'x;$(touch${IFS}pwned)&&`id`\'"<script>'
    await shop.copy.must('checkout', '--quiet', '-b', branch)
    await shop.copy.commit({ 'a.txt': 'a\n' })
    const title = `title=\u001b[31m$(id)\u202e --exec=${'x'.repeat(400)}`
    const pushed = await shop.push(branch, 'developer', '-o', 'change', '-o', title)
    assert.doesNotMatch(pushed, /\u001b\[31m|\u202e/)
    const change = await shop.until(1, ({ test }) => test?.conclusion === 'success')
    assert.equal(change.branch, branch)
    assert.equal(change.title?.length, 200)
    assert.match(change.title ?? '', /^\$\(id\)\uFFFD --exec=x+/)
    await shop.merge(1)
    await shop.until(1, ({ status }) => status === 'merged')
    const refused = await shop.push('main:second', 'developer', '-o', 'change', '-o', 'target=--upload-pack=id')
    assert.ok(refused)
    const answer = await eventually(server.ledger, async () => {
      const found = (await server.ledger.read({ types: [proposalAnswered.type] })).at(-1)
      return found && JSON.stringify(found.payload).includes('second') ? found.payload : null
    })
    assert.partialDeepStrictEqual(answer, {
      number: null,
      why: 'there is no branch --upload-pack=id in default/hostile',
    })
  })

  test('shows what it changes, file by file, and says when that is too large for one answer', async () => {
    const shop = await openShop(server, 'differences')
    await shop.copy.must('checkout', '--quiet', '-b', 'big')
    await shop.copy.must('mv', 'README.md', 'GUIDE.md')
    await shop.copy.commit({
      'app.txt': 'one\n2\nthree\nfour\nfive\n',
      'large.txt': 'a line of some length\n'.repeat(80_000),
      'bytes.bin': Buffer.from([0, 1, 2, 255]),
      'an "odd" näme': 'odd\n',
    })
    await shop.push('big', 'developer', '-o', 'change')
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    const all = await shop.changes.diff(shop.change(1), null)
    assert.deepEqual(all, {
      files: [
        { path: 'GUIDE.md', previous: 'README.md', status: 'renamed', additions: 0, deletions: 0 },
        { path: 'an "odd" näme', previous: null, status: 'added', additions: 1, deletions: 0 },
        { path: 'app.txt', previous: null, status: 'modified', additions: 1, deletions: 1 },
        { path: 'bytes.bin', previous: null, status: 'added', additions: null, deletions: null },
        { path: 'large.txt', previous: null, status: 'added', additions: 80_000, deletions: 0 },
      ],
      areMore: false,
      text: null,
    })
    const one = await shop.changes.diff(shop.change(1), 1, 'app.txt')
    assert.match(one.text ?? '', /^diff --git a\/app.txt b\/app.txt\n.*-two\n\+2\n/s)
    assert.deepEqual((await shop.changes.diff(shop.change(1), 1, ':(glob)*')).files, [])
    await assert.rejects(shop.changes.diff(shop.change(1), 2), { kind: 'version-not-found' })
  })

  test('is talked about as a whole and line by line, and what was said can be erased for good', async () => {
    const shop = await openShop(server, 'comments')
    await shop.copy.must('checkout', '--quiet', '-b', 'search')
    await shop.copy.commit({ 'search.txt': 'one\ntwo' })
    await shop.push('search', 'developer', '-o', 'change', '-o', 'title=my own name')
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    const say = (body: string, place: { file: string; line: number; side: 'old' | 'new' } | null) =>
      shop.changes.comment(shop.change(1), { body, version: null, place }, bob)
    const first = await say('personal words', null)
    await say('why two?', { file: 'search.txt', line: 2, side: 'new' })
    await assert.rejects(say('?', { file: 'search.txt', line: 3, side: 'new' }), { kind: 'no-such-line' })
    await assert.rejects(say('?', { file: 'search.txt', line: 1, side: 'old' }), { kind: 'no-such-line' })
    await assert.rejects(say('?', { file: '../../HEAD', line: 1, side: 'new' }), { kind: 'no-such-line' })
    await assert.rejects(shop.changes.eraseComment(shop.change(1), first, ada), { status: 403 })
    await shop.changes.eraseComment(shop.change(1), first, bob)
    await shop.changes.describe(shop.change(1), { title: null, body: 'my telephone number' }, ada)
    await shop.changes.eraseDescription(shop.change(1), ada)
    const { comments, title, body, status } = await shop.show(1)
    assert.deepEqual(
      comments.map(({ user, body: said, place }) => ({ user, said, place })),
      [{ user: 'developer-bob', said: 'why two?', place: { file: 'search.txt', line: 2, side: 'new' } }],
    )
    assert.deepEqual([title, body, status], [null, null, 'open'])
    assert.doesNotMatch(JSON.stringify(await server.ledger.read({})), /personal words|telephone|my own name/)
  })

  test('is abandoned and gone on with', async () => {
    const shop = await openShop(server, 'abandoned')
    await shop.propose('search', { 'search.txt': 'found\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    assert.equal((await shop.changes.abandon(shop.change(1), ada, null)).note, 'abandoned by developer')
    await assert.rejects(shop.merge(1), { kind: 'change-closed' })
    await shop.changes.reopen(shop.change(1), ada)
    await shop.until(1, ({ status, test }) => status === 'open' && test?.conclusion === 'success')
    const actions = build.raised.filter(({ repository }) => repository === 'abandoned').map(({ action }) => action)
    assert.deepEqual(actions, ['opened', 'closed', 'reopened'])
  })
})
