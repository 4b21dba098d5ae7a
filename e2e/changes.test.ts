import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { exampleFiles } from './support/example.ts'
import { type Platform, type Repository, startPlatform } from './support/platform.ts'

const workflow = `name: ci
on:
  pull_request:
  push: { branches: [main] }
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Test
        run: sh test.sh
      - run: test -z "$SECRET"
        env: { SECRET: "\${{ secrets.DEPLOY_KEY }}" }
        if: github.event_name == 'pull_request'
`

describe('a change', () => {
  let platform: Platform
  let shop: Repository
  before(async () => {
    platform = await startPlatform()
    shop = await platform.repository('shop', {
      ...exampleFiles('static', 'shop', 1),
      'public/index.html': 'first\n',
      'test.sh': 'exit 0\n',
      '.github/workflows/ci.yml': workflow,
    })
    const pushed = await shop.push()
    assert.match(pushed.output, /live at/, pushed.output)
    await platform.headway('repositories', 'protect', 'shop', '--changes-only')
    await platform.setSecret('DEPLOY_KEY', 'sesame')
  })
  after(async () => {
    rmSync(shop.directory, { recursive: true, force: true })
    await platform.destroy()
  })

  /** A branch from the newest `main` with these files, proposed. */
  const propose = async (branch: string, files: Record<string, string>) => {
    await shop.git('fetch', 'headway')
    await shop.git('checkout', '-b', branch, 'headway/main')
    await shop.commit(branch, files)
    return shop.push([branch, '-o', 'change'])
  }
  const page = async (text: string): Promise<void> => {
    const until = performance.now() + 180_000 // checks, a package and a deployment lie between
    while ((await platform.get('shop.localhost')).body.trim() !== text) {
      assert.ok(performance.now() < until, `the page never says ${text}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  test('that fails its checks is told so and does not land; mended it lands and is deployed; taken back it is gone', async () => {
    const bad = await propose('second', { 'public/index.html': 'second\n', 'test.sh': 'exit 3\n' })
    assert.match(bad.output, /change 1 +http:\/\/\S+\/repositories\/shop\/changes\/1/, bad.output)
    assert.match(bad.output, /change 1 is not merged: the step "Test" failed/, bad.output)
    const refused = await platform.headway('changes', 'merge', 'shop/1', '--wait')
    assert.equal(refused.code, 1, refused.stdout)
    await shop.commit('mended', { 'test.sh': 'exit 0\n' })
    const mended = await shop.push(['second'])
    assert.match(mended.output, /change 1: its checks have passed/, mended.output)
    const merged = await platform.headway('changes', 'merge', 'shop/1', '--wait')
    assert.equal(merged.code, 0, merged.stdout + merged.stderr)
    await page('second')

    await shop.git('fetch', 'headway')
    await shop.git('checkout', '-b', 'direct', 'headway/main')
    await shop.commit('direct', { 'public/index.html': 'direct\n' })
    const direct = await shop.push(['direct:main'])
    assert.match(direct.output, /main is protected: it takes changes only/, direct.output)

    const reverted = await platform.headway('changes', 'revert', 'shop/1')
    assert.match(reverted.stdout, /shop\/2 +Revert "second"/, reverted.stdout + reverted.stderr)
    const back = await platform.headway('changes', 'merge', 'shop/2', '--wait')
    assert.equal(back.code, 0, back.stdout + back.stderr)
    await page('first')
  })

  test('survives that Headway is killed while it waits in the queue', async () => {
    const proposed = await propose('third', { 'public/index.html': 'third\n', 'test.sh': 'sleep 1\n' })
    assert.match(proposed.output, /its checks have passed/, proposed.output)
    const other = await propose('fourth', { 'other.txt': 'other\n', 'test.sh': 'sleep 2; exit 0\n' })
    assert.match(other.output, /its checks have passed/, other.output)
    await platform.headway('changes', 'merge', 'shop/3')
    await platform.headway('changes', 'merge', 'shop/4')
    await platform.crash()
    await platform.restart()
    await page('third')
    const four = await platform.headway('changes', 'merge', 'shop/4', '--wait')
    assert.match(four.stdout, /it conflicts with main: test.sh/, four.stdout + four.stderr)
    assert.equal(four.code, 1)
  })
})
