import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Conclusion, pushVerified } from '../../build/facts.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import { CommitId, RepositoryName } from '../../names.ts'
import { refUpdated } from '../facts.ts'
import { identityNamed } from '../server-testing.ts'
import { gitIn, openTestCode, type TestCode } from '../testing.ts'
import { changeMerged, changeTestRequested, proposalAnswered } from './facts.ts'
import { defaultRules, type Rules } from './rules.ts'
import { eventually, openShop, type Raised, type Shop, standForBuild } from './testing.ts'

/** What the build stage says once it has verified a push of `main` or of a branch. */
const verified = (shop: Shop, push: string, commit: string, conclusion: Conclusion = 'skipped') =>
  fact(pushVerified, {
    subject: `push:${push}`,
    actor: 'system:build',
    payload: {
      ...{ push, ...shop.key, ref: 'refs/heads/main', commit: CommitId.parse(commit) },
      ...{ conclusion, runs: [], failure: null },
    },
  })

describe('a change', { concurrency: 4, timeout: 120_000 }, () => {
  let server: TestCode
  let build: ReturnType<typeof standForBuild>
  /** Goes on for ever where there is a file `wait`; a left and a right do not go together. */
  const judge = async ({ project, repository, commit }: Raised): Promise<Conclusion | null> => {
    const has = async (path: string) => (await server.code.readFile(project, repository, commit, path)) !== null
    if (await has('wait.txt')) return null
    if (await has('.github/workflows/none.yml')) return 'skipped'
    return (await has('left.txt')) && (await has('right.txt')) ? 'failure' : 'success'
  }
  before(async () => {
    server = await openTestCode()
    build = standForBuild(server.ledger, judge)
  })
  after(async () => {
    await nothingUntestedHasLanded()
    build.stop()
    const digest = await server.views.digest()
    await server.views.rebuild()
    assert.equal(await server.views.digest(), digest, 'the views are what a rebuild makes of the ledger')
    await server[Symbol.asyncDispose]()
    assert.deepEqual(server.problems, [])
  })

  const nothingUntestedHasLanded = async (): Promise<void> => {
    const facts = await server.ledger.read({ types: [changeMerged.type, changeTestRequested.type] })
    const candidates = new Set(
      facts.flatMap((one) => (isFact(changeTestRequested, one) ? [one.payload.candidate] : [])),
    )
    const landed = facts.flatMap((one) =>
      isFact(changeMerged, one) && one.payload.method !== 'push' ? [one.payload.after] : [],
    )
    assert.ok(landed.length >= 10)
    assert.deepEqual(
      landed.filter((commit) => !candidates.has(commit)),
      [],
    )
  }

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
          .trim(),
      ),
      [
        '· change 1 http://127.0.0.1:port/api/v1/projects/default/repositories/told/changes/1',
        '· pipeline ci run',
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

  test('lands as the very commit that was tested, as an ordinary push to its target', async () => {
    const shop = await openShop(server, 'landed')
    const head = await shop.propose('search', { 'search.txt': 'found\n' })
    const ready = await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.merge(1, 'developer-bob')
    const merged = await shop.until(1, ({ status }) => status === 'merged')
    assert.equal(merged.merged?.after, ready.test?.candidate)
    assert.equal(await shop.tip(), ready.test?.candidate)
    const facts = await server.ledger.read({})
    const landing = facts.find((one) => isFact(refUpdated, one) && one.payload.after === merged.merged?.after)
    assert.partialDeepStrictEqual(landing, {
      actor: 'user:developer-bob',
      payload: { ref: 'refs/heads/main', before: shop.base, after: merged.merged?.after, discovered: false },
    })
    const closed = build.raised.findLast(({ repository }) => repository === 'landed')
    assert.deepEqual([closed?.action, closed?.ref, closed?.commit], ['closed', 'refs/heads/main', merged.merged?.after])
    assert.partialDeepStrictEqual(closed?.payload.pull_request, { merged: true, merged_by: { login: 'developer-bob' } })
    // Its branch may go now; what it was can still be fetched.
    await shop.push(':search')
    assert.equal((await shop.show(1)).status, 'merged')
    await shop.copy.must('fetch', '--quiet', 'headway', 'refs/changes/1/head')
    assert.equal(await shop.copy.must('rev-parse', 'FETCH_HEAD'), head)
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

  test('in the queue is tested behind those before it, and all land in order', async () => {
    const shop = await openShop(server, 'queue')
    for (const name of ['a', 'b', 'c']) await shop.propose(name, { [`${name}.txt`]: `${name}\n` })
    for (const number of [1, 2, 3]) await shop.until(number, ({ test }) => test?.conclusion === 'success')
    await Promise.all([3, 1, 2].map((number) => shop.merge(number)))
    const landed = await Promise.all([1, 2, 3].map((number) => shop.until(number, ({ status }) => status === 'merged')))
    const order = landed.flatMap(({ merged }) => merged ?? []).sort((one, other) => one.at - other.at)
    assert.equal(order[0]?.before, shop.base)
    assert.deepEqual(
      order.slice(1).map(({ before }) => before),
      order.slice(0, -1).map(({ after: commit }) => commit),
    )
    const tip = await shop.tip()
    assert.equal(order.at(-1)?.after, tip)
    assert.deepEqual(await Promise.all(['a.txt', 'b.txt', 'c.txt'].map((path) => shop.file(tip, path))), [
      'a\n',
      'b\n',
      'c\n',
    ])
  })

  test('that passes alone and fails behind another does not land', async () => {
    const shop = await openShop(server, 'together')
    await shop.propose('a', { 'left.txt': 'a\n' })
    await shop.propose('b', { 'right.txt': 'b\n' })
    for (const number of [1, 2]) await shop.until(number, ({ test }) => test?.conclusion === 'success')
    await Promise.all([shop.merge(1), shop.merge(2)])
    const merged = await eventually(server.ledger, async () => {
      const both = await Promise.all([shop.show(1), shop.show(2)])
      return both.some(({ status }) => status === 'merged') && both.some(({ note }) => note !== null) ? both : null
    })
    assert.deepEqual(merged.map(({ status }) => status).sort(), ['merged', 'open'])
    const left = merged.find(({ status }) => status === 'open')
    assert.equal(left?.note, 'its checks have failed on what would have landed')
    assert.deepEqual([left?.place, left?.wish], [null, null])
  })

  /** A change that has passed, in the queue behind a push to its target that makes its new test go on for ever. */
  const waitingInQueue = async (shop: Shop) => {
    await shop.propose('a', { 'a.txt': 'a\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.copy.must('checkout', '--quiet', 'main')
    await shop.copy.commit({ 'wait.txt': 'the tests hang\n' })
    await shop.push('main')
    await shop.merge(1)
    return shop.until(1, ({ place, test }) => place === 1 && test?.purpose === 'queue')
  }

  test('in the queue is tested again when somebody pushes to its target, and lands on that', async () => {
    const shop = await openShop(server, 'overtaken')
    const waiting = await waitingInQueue(shop)
    assert.equal(waiting.test?.base, await shop.tip())
    await shop.copy.must('revert', '--no-edit', 'HEAD')
    await shop.push('main')
    const overtaking = await shop.copy.must('rev-parse', 'HEAD')
    const landed = await shop.until(1, ({ status }) => status === 'merged')
    assert.equal(landed.merged?.before, overtaking)
    assert.equal(await shop.tip(), landed.merged?.after)
    assert.ok(server.cancelled.includes(`run-${waiting.test?.event}`), 'the test that nobody waits for is ended')
  })

  test('that is pushed again or loses its branch while it is in the queue leaves it', async () => {
    const shop = await openShop(server, 'moving')
    await waitingInQueue(shop)
    const tip = await shop.tip()
    await shop.copy.must('checkout', '--quiet', 'a')
    await shop.copy.must('commit', '--quiet', '--amend', '--message', 'again')
    await shop.push('+a')
    const pushed = await shop.until(1, ({ version }) => version === 2)
    assert.deepEqual([pushed.wish, pushed.place], [null, null])
    await shop.merge(1)
    await shop.push(':a')
    const gone = await shop.until(1, ({ status }) => status === 'abandoned')
    assert.deepEqual([gone.note, gone.place], ['its branch was deleted', null])
    assert.equal(await shop.tip(), tip)
  })

  test('loses its place with the approval that it needs, and can be taken out', async () => {
    const shop = await openShop(server, 'disapproved')
    await setRules(shop, { approvals: 1 })
    await shop.propose('a', { 'a.txt': 'a\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.changes.approve(shop.change(1), bob)
    await shop.copy.must('checkout', '--quiet', 'main')
    await shop.copy.commit({ 'wait.txt': 'the tests hang\n' })
    await shop.push('main')
    await shop.merge(1)
    const { test: waiting } = await shop.until(1, ({ place, test }) => place === 1 && test?.purpose === 'queue')
    await shop.changes.withdrawApproval(shop.change(1), bob)
    const raised = build.raised.find(({ event }) => event === waiting?.event)
    assert.ok(raised)
    await build.conclude(raised, 'success')
    const left = await shop.until(1, ({ note }) => note !== null)
    assert.deepEqual(
      [left.status, left.place, left.note],
      ['open', null, '1 approval of developers who have not written it is needed, and there are 0'],
    )
    await shop.changes.approve(shop.change(1), bob)
    assert.equal((await shop.changes.withdrawMerge(shop.change(1), ada)).wish, null)
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

  test('lands squashed or rebased where the rules say so, still as it was tested', async () => {
    const shop = await openShop(server, 'methods')
    await shop.copy.must('checkout', '--quiet', '-b', 'linear')
    await shop.copy.commit({ 'x.txt': 'x\n' })
    const head = await shop.copy.commit({ 'y.txt': 'y\n' })
    await setRules(shop, { method: 'rebase' })
    await shop.push('linear', 'developer', '-o', 'change')
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.merge(1)
    await shop.until(1, ({ status }) => status === 'merged')
    assert.equal(await shop.tip(), head, 'a branch that stands on the target lands as it is')
    await shop.copy.must('checkout', '--quiet', '-b', 'behind', shop.base)
    await shop.copy.commit({ 'z.txt': 'z\n' })
    await shop.copy.commit({ 'app.txt': 'ONE\ntwo\nthree\nfour\nfive\n' })
    await shop.push('behind', 'developer', '-o', 'change')
    await shop.until(2, ({ test }) => test?.conclusion === 'success')
    await shop.merge(2)
    await shop.until(2, ({ status }) => status === 'merged')
    await setRules(shop, { method: 'squash' })
    await shop.propose('many', { 'm.txt': 'm\n' })
    await shop.until(3, ({ test }) => test?.conclusion === 'success')
    await shop.merge(3)
    await shop.until(3, ({ status }) => status === 'merged')
    await shop.copy.must('fetch', '--quiet', 'headway')
    const log = await shop.copy.must('log', '--format=%an %p %s', 'headway/main')
    assert.deepEqual(
      log.split('\n').map((line) => line.replace(/[0-9a-f]{7,}/g, 'parent')),
      [
        'Ada parent change (#3)',
        'Ada parent change',
        'Ada parent change',
        'Ada parent change',
        'Ada parent change',
        'Ada parent change',
        'Ada  change',
      ],
    )
  })

  test('is what a target that takes changes only can be moved by; a direct push hears so', async () => {
    const shop = await openShop(server, 'guarded')
    await server.code.protect(shop.key, { branches: ['main'], allowForce: false, push: 'nobody' }, 'user:operator')
    await shop.copy.commit({ 'direct.txt': 'x\n' })
    const refused = await shop.copy.git('push', 'headway', 'main')
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /main is protected: it takes changes only; git push headway HEAD:my-branch -o change/)
    // Leaving it out of what is set again does not open it.
    await server.code.protect(shop.key, { branches: ['main'], allowForce: false }, 'user:operator')
    assert.notEqual((await shop.copy.git('push', 'headway', 'main')).code, 0)
    const deleted = await shop.copy.git('push', 'headway', ':main')
    assert.notEqual(deleted.code, 0)
    await shop.propose('way', { 'way.txt': 'in\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.merge(1)
    await shop.until(1, ({ status }) => status === 'merged')
    await server.code.protect(shop.key, { branches: ['main'], allowForce: false, push: 'operator' }, 'user:operator')
    await shop.copy.must('checkout', '--quiet', 'main')
    await shop.copy.must('pull', '--quiet', '--rebase', 'headway', 'main')
    assert.notEqual((await shop.copy.git('push', 'headway', 'HEAD:main')).code, 0)
    const allowed = await shop.copy.git('push', '-o', 'async', server.url('guarded.git', 'operator'), 'HEAD:main')
    assert.equal(allowed.code, 0, allowed.stderr)
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

  test('that was merged by a push of its target is merged', async () => {
    const shop = await openShop(server, 'pushed')
    const head = await shop.propose('search', { 'search.txt': 'found\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.push('search:main', 'developer-bob')
    const merged = await shop.until(1, ({ status }) => status === 'merged')
    assert.deepEqual(
      [merged.merged?.method, merged.merged?.after, merged.merged?.user],
      ['push', head, 'developer-bob'],
    )
  })

  test('is taken back as a change, or directly by who may push', async () => {
    const shop = await openShop(server, 'reverted')
    await shop.propose('search', { 'search.txt': 'found\n', 'app.txt': 'one\ntwo\nthree\nfour\nFIVE\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.merge(1)
    await shop.until(1, ({ status }) => status === 'merged')
    await shop.propose('other', { 'other.txt': 'stays\n' })
    await shop.until(2, ({ test }) => test?.conclusion === 'success')
    await shop.merge(2)
    await shop.until(2, ({ status }) => status === 'merged')
    await setRules(shop, { holdOnRed: true })
    await server.ledger.append([verified(shop, 'push-x', await shop.tip(), 'failure')])
    const { change } = await shop.changes.revert(shop.key, { number: 1 }, false, ada)
    assert.deepEqual([change?.number, change?.branch, change?.title], [3, 'revert-1', 'Revert "change"'])
    await shop.until(3, ({ test }) => test?.conclusion === 'success')
    await shop.merge(3)
    await shop.until(3, ({ status }) => status === 'merged')
    const tip = await shop.tip()
    assert.deepEqual(
      [await shop.file(tip, 'search.txt'), await shop.file(tip, 'app.txt'), await shop.file(tip, 'other.txt')],
      [null, 'one\ntwo\nthree\nfour\nfive\n', 'stays\n'],
    )
    await assert.rejects(shop.changes.revert(shop.key, { number: 1 }, false, ada), /nothing left of it/)
    const direct = await shop.changes.revert(shop.key, { commit: tip, target: null }, true, ada)
    assert.equal(await shop.tip(), direct.commit)
    assert.equal(await shop.file(await shop.tip(), 'search.txt'), 'found\n')
    await server.code.protect(shop.key, { branches: ['main'], allowForce: false, push: 'nobody' }, 'user:operator')
    await assert.rejects(shop.changes.revert(shop.key, { number: 2 }, true, ada), { kind: 'push-refused' })
  })

  test('waits while its target is red, where the rules say so, unless it mends it', async () => {
    const shop = await openShop(server, 'red')
    await setRules(shop, { holdOnRed: true })
    await server.ledger.append([verified(shop, 'push-red', shop.base, 'failure')])
    await shop.propose('search', { 'search.txt': 'found\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    const held = await shop.merge(1)
    assert.deepEqual(
      held.blockers.map(({ kind }) => kind),
      ['red-target'],
    )
    await assert.rejects(shop.changes.merge(shop.change(1), { head: null, mends: true }, ada), { status: 403 })
    await server.ledger.append([verified(shop, 'push-red', shop.base, 'success')])
    await shop.until(1, ({ status }) => status === 'merged')
  })

  test('without a common history is refused, unless its commits are put one by one', async () => {
    const shop = await openShop(server, 'orphan')
    await shop.copy.must('checkout', '--quiet', '--orphan', 'island')
    await shop.copy.must('rm', '-rfq', '.')
    await shop.copy.commit({ 'island.txt': 'far\n' })
    await shop.push('island', 'developer', '-o', 'change')
    const refused = await shop.until(1, ({ conflict }) => conflict !== null)
    assert.equal(refused.blockers[0]?.detail, 'it has no history in common with its target')
    await setRules(shop, { method: 'rebase' })
    await shop.changes.retest(shop.change(1), ada)
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.merge(1)
    await shop.until(1, ({ status }) => status === 'merged')
    const tip = await shop.tip()
    assert.deepEqual([await shop.file(tip, 'island.txt'), await shop.file(tip, 'README.md')], ['far\n', 'hello\n'])
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

  test('that takes away what would check it is not merged until an operator says what must run', async () => {
    const shop = await openShop(server, 'unchecked')
    await shop.propose('honest', { 'a.txt': 'a\n' })
    await shop.until(1, ({ test }) => test?.conclusion === 'success')
    await shop.propose('sly', { '.github/workflows/none.yml': 'on: push\n' })
    await shop.until(2, ({ test }) => test?.conclusion === 'skipped')
    assert.match((await shop.merge(2)).blockers[0]?.detail ?? '', /changes the workflows so that nothing checks it/)
    await setRules(shop, { requiredChecks: [] })
    await shop.until(2, ({ status }) => status === 'merged')
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

  test('is not merged at another commit than the one that was seen', async () => {
    const shop = await openShop(server, 'seen')
    await shop.propose('search', { 'search.txt': 'found\n' })
    const asked = { head: CommitId.parse('b'.repeat(40)), mends: false }
    await shop.until(1, ({ test }) => test !== null)
    await assert.rejects(shop.changes.merge(shop.change(1), asked, ada), { kind: 'change-moved', status: 409 })
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
