import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { barriersOf, openBrowser, tokenOf, toTheme, visit, visitAs } from './support/browser.ts'
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
      - run: sh test.sh
`
/** Code that pretends: markup, a turn of the direction of writing, an escape sequence, a line of a megabyte. */
const hostile = `const a = '<img src=x onerror=alert(1)>' // \u202e evil
const b = "\u001b[2Jgone" + 42
const c = '${'x'.repeat(1_000_000)}'
`

describe('changes on the web', { concurrency: 1 }, () => {
  let platform: Platform
  let browser: Browser
  let shop: Repository
  const address = '/projects/default/changes/shop/1'
  before(async () => {
    platform = await startPlatform()
    browser = await openBrowser()
    shop = await platform.repository('shop', {
      ...exampleFiles('static', 'shop', 1),
      'src/app.js': 'const one = 1\nreturn one\n',
      'test.sh': 'exit 0\n',
      '.github/workflows/ci.yml': workflow,
    })
    const pushed = await shop.push()
    assert.match(pushed.output, /live at/, pushed.output)
    await shop.git('checkout', '-b', 'second')
    await shop.commit('Say <b>it</b> louder', {
      'src/app.js': 'const one = 1 // one\nreturn one + 1\n',
      'src/hostile.js': hostile,
      'large.txt': Array.from({ length: 500 }, (_, line) => `line ${line}`).join('\n'),
    })
    const proposed = await shop.push(['second', '-o', 'change'])
    assert.match(proposed.output, /its checks have passed/, proposed.output)
    for (const [user, role] of [
      ['grace', 'developer'],
      ['vera', 'viewer'],
    ] as const)
      assert.equal((await platform.headway('user', 'add', user, '--role', role)).code, 0)
  })
  after(async () => {
    await browser?.close()
    await platform?.destroy()
    if (shop) rmSync(shop.directory, { recursive: true, force: true })
  })

  const as = (user: string) => visitAs(browser, platform, user)
  const file = (page: Page, path: string) => page.getByRole('region', { name: path, exact: true })

  test('its files show code in colours and as what it is, unified and side by side, the large ones folded', async () => {
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    for (const view of ['unified', 'split'] as const) {
      await visitor.go(`${address}?tab=files${view === 'split' ? '&view=split' : ''}`, 'src/app.js')
      await file(page, 'src/hostile.js').getByText("'<img src=x onerror=alert(1)>'").waitFor()
      await file(page, 'src/hostile.js').getByText('⟨202E⟩').waitFor()
      await file(page, 'src/hostile.js').getByText('⟨001B⟩').waitFor()
      await file(page, 'src/hostile.js').getByText('… +').waitFor()
      assert.equal(await page.locator('main img').count(), 0)
      assert.equal(await file(page, 'large.txt').getByText('line 250').count(), 0)
      for (const colorScheme of ['dark', 'light'] as const) {
        await toTheme(page, colorScheme)
        assert.deepEqual(await barriersOf(page), [], `${view}, ${colorScheme}`)
      }
    }
    await file(page, 'large.txt').getByRole('button', { name: 'Show' }).click()
    await file(page, 'large.txt').getByText('line 250').waitFor()
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })

  test('a reviewer says something about a line, approves, and merges; whoever may only look sees it and can do nothing of it', async () => {
    const vera = await as('vera')
    await vera.go(`${address}?tab=files`, 'src/app.js')
    assert.equal(await vera.page.getByRole('button', { name: /^Comment on line/ }).count(), 0)

    const grace = await as('grace')
    const { page } = grace
    await grace.go(`${address}?tab=files`, 'src/app.js')
    await file(page, 'src/app.js').getByRole('button', { name: 'Comment on line 2', exact: true }).click()
    await page.getByLabel('Comment on src/app.js, line 2').fill('Why <i>two</i>?')
    await page.getByRole('button', { name: 'Comment', exact: true }).click()
    await file(page, 'src/app.js').getByText('Why <i>two</i>?').waitFor()
    // The other window follows by itself.
    await file(vera.page, 'src/app.js').getByText('Why <i>two</i>?').waitFor()
    await grace.go(`${address}?tab=files&view=split`, 'Why <i>two</i>?')

    await grace.go(address, 'Nothing stands in the way.')
    await page.getByText('src/app.js:2').waitFor()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByRole('button', { name: 'Take approval back' }).waitFor()
    await page.getByRole('button', { name: 'Merge', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Merge' }).click()
    await page.locator('header').getByText('merged').first().waitFor()

    await vera.go(address, 'merged')
    for (const name of ['Approve', 'Merge', 'Test again', 'Abandon', 'Comment'])
      assert.equal(await vera.page.getByRole('button', { name, exact: true }).count(), 0, name)
    assert.deepEqual([...grace.faults, ...vera.faults], [])
    await grace.context.close()
    await vera.context.close()
  })

  test('a change is opened from a pushed branch, asked to be merged, taken back, and abandoned with a reason', async () => {
    await shop.git('checkout', '-b', 'third', 'main')
    await shop.commit('Slow', { 'third.txt': '3', 'test.sh': 'sleep 600\n' })
    assert.equal((await shop.push(['third'])).code, 0)
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    const dialog = page.getByRole('dialog')
    await visitor.go('/projects/default/changes', 'Open a change')
    await page.getByRole('button', { name: 'Open a change' }).click()
    await dialog.getByRole('combobox', { name: 'Branch', exact: true }).selectOption('third')
    await dialog.getByLabel('Title').fill('A <i>third</i>')
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Open a change' }).click()
    await page.getByRole('heading', { name: 'A <i>third</i>' }).waitFor()
    await page.getByRole('heading', { name: 'Preview' }).waitFor()
    await page.getByRole('button', { name: 'Merge', exact: true }).click()
    await dialog.getByRole('button', { name: 'Merge' }).click()
    await page.getByRole('button', { name: 'Do not merge' }).waitFor()
    await visitor.go('/projects/default/changes?tab=queue', 'Asked for, not in it yet')
    await page.getByText('its checks are running').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.getByRole('link', { name: 'A <i>third</i>' }).click()
    await page.getByRole('button', { name: 'Do not merge' }).click()
    await dialog.getByRole('button', { name: 'Do not merge' }).click()
    await page.getByRole('button', { name: 'Merge', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Abandon' }).click()
    await dialog.getByLabel('Why').fill('not needed')
    await dialog.getByRole('button', { name: 'Abandon' }).click()
    await page.getByRole('button', { name: 'Reopen' }).waitFor()
    await visitor.go('/projects/default/changes?tab=closed', 'A <i>third</i>')
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })
})
