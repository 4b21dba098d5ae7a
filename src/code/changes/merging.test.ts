import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isFact } from '../../ledger/fact.ts'
import { CommitId } from '../../names.ts'
import { refUpdated } from '../facts.ts'
import { identityNamed } from '../server-testing.ts'
import { defaultRules, type Rules } from './rules.ts'
import { eventually, openShop, type Shop, startChanges, type TestChanges, verified } from './testing.ts'

describe('a change that is to be merged', { concurrency: 4, timeout: 120_000 }, () => {
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

  const queueOf = async (shop: Shop) =>
    (await shop.changes.queues(shop.key.project)).find(({ repository }) => repository === shop.key.repository)

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
    const queue = await queueOf(shop)
    assert.deepEqual(
      [queue?.queued, queue?.asked, queue?.left.map(({ number, note }) => [number, note])],
      [[], [], [[left?.number, 'its checks have failed on what would have landed']]],
    )
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
    await shop.propose('b', { 'b.txt': 'b\n' })
    await shop.until(2, ({ test }) => test !== null)
    await shop.merge(2)
    const queue = await queueOf(shop)
    assert.deepEqual(
      [queue?.target, queue?.isHeld, queue?.queued.map(({ number, standing }) => [number, standing.kind]), queue?.left],
      ['main', false, [[1, 'testing']], []],
    )
    assert.deepEqual(
      queue?.asked.map(({ number, blockers }) => [number, blockers.some(({ kind }) => kind === 'approvals')]),
      [[2, true]],
    )
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

  test('is not merged at another commit than the one that was seen', async () => {
    const shop = await openShop(server, 'seen')
    await shop.propose('search', { 'search.txt': 'found\n' })
    const asked = { head: CommitId.parse('b'.repeat(40)), mends: false }
    await shop.until(1, ({ test }) => test !== null)
    await assert.rejects(shop.changes.merge(shop.change(1), asked, ada), { kind: 'change-moved', status: 409 })
  })
})
