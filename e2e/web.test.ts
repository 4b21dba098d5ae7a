import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { barriersOf, cutTablesOf, openBrowser, patienceMs, tokenOf, toTheme, visit } from './support/browser.ts'
import { exampleFiles } from './support/example.ts'
import { type Platform, type Repository, startPlatform } from './support/platform.ts'

/** A branch and a title that try everything: markup, a turn of the direction of writing, an escape sequence. */
const hostileTitle = '<img src=x onerror=alert(1)> \u202eevil\u202c'

/** One real Headway for all of it, with a service that was pushed twice, once badly, and a browser. */
type World = {
  platform: Platform
  browser: Browser
  repository: Repository
  run: string
  failed: string
  rollout: string
}

const prepare = async (): Promise<World> => {
  const platform = await startPlatform()
  const browser = await openBrowser()
  const files = exampleFiles('node', 'shop', 1)
  const repository = await platform.repository('shop', files)
  const first = await repository.push()
  assert.equal(first.code, 0, first.output)
  const test = `${files['test/page.test.js']}\nconsole.log('\\u001b[2J<b>bold</b>')\nthrow new Error('no')\n`
  await repository.commit(hostileTitle, { 'test/page.test.js': test })
  await repository.push()
  const read = async (path: string) => {
    const answer = await fetch(`${platform.url}/api/v1/projects/default${path}`, {
      headers: { authorization: `Bearer ${tokenOf(platform)}` },
    })
    return JSON.parse(await answer.text())
  }
  const { runs } = await read('/runs')
  const [deployment] = await read('/deployments')
  return { platform, browser, repository, run: runs.at(-1).run, failed: runs[0].run, rollout: deployment.deployment }
}

describe('the web', { concurrency: 1 }, () => {
  let world: World
  before(async () => {
    world = await prepare()
  })
  after(async () => {
    await world?.browser.close()
    await world?.platform.destroy()
    if (world) rmSync(world.repository.directory, { recursive: true, force: true })
  })

  const pages = () =>
    [
      ['/projects/default', 'The loop now'],
      ['/projects/default/services', 'shop'],
      ['/projects/default/services/shop', 'Golden signals'],
      ['/projects/default/services/shop?tab=logs', 'Logs'],
      ['/projects/default/services/shop?tab=releases', 'Runs in'],
      ['/projects/default/services/shop?tab=history', 'Lead time'],
      ['/projects/default/services/shop?tab=file', 'What headway.yaml stands for'],
      ['/projects/default/rollouts', 'Finished'],
      [`/projects/default/rollouts/${world.rollout}`, 'What happened'],
      ['/projects/default/runs', 'First version'],
      [`/projects/default/runs/${world.run}`, 'Jobs'],
      [`/projects/default/runs/${world.failed}`, 'Jobs'],
      ['/projects/default/changes', 'No change is open'],
      ['/ledger', 'deployment.finished'],
      ['/settings', 'Who is signed in'],
      ['/settings?tab=tokens', 'New token'],
      ['/settings?tab=users', 'Add a user'],
      ['/settings?tab=runners', 'Heard'],
      ['/settings?tab=environments', 'production'],
    ] as const

  test('every page shows what it should in both themes, without an error, a failed request or a barrier, and fits a phone', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    const found: string[] = []
    for (const [path, shows] of pages()) {
      for (const colorScheme of ['dark', 'light'] as const) {
        await toTheme(page, colorScheme)
        await visitor.go(path, shows)
        found.push(...(await barriersOf(page)).map((barrier) => `${path}, ${colorScheme}: ${barrier}`))
      }
      await page.setViewportSize({ width: 360, height: 780 })
      const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
      if (over > 0) found.push(`${path}: ${over} px too wide for a phone`)
      found.push(...(await cutTablesOf(page)).map((cut) => `${path}: ${cut}`))
      // What a network loses of an image stays lost: the pages are drawn without any.
      const images = await page.locator('img').count()
      if (images > 0) found.push(`${path}: asks for ${images} images`)
      await page.setViewportSize({ width: 1280, height: 860 })
    }
    assert.deepEqual([...found, ...visitor.faults], [])
    await visitor.context.close()
  })

  test('one signs in by a link of the command line, by token and by invitation and password, and out again', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: null })
    const { page } = visitor
    await page.goto('/projects/default/services')
    await page.getByRole('heading', { name: 'Sign in to Headway' }).waitFor()
    assert.deepEqual(await barriersOf(page), [])

    const { link } = JSON.parse((await platform.headway('web', '--json')).stdout)
    await page.goto(link)
    await page.getByRole('heading', { name: /./ }).first().waitFor()
    await page.getByText('The loop now').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Headway' }).waitFor()

    assert.equal((await platform.headway('user', 'add', 'ada', '--role', 'viewer')).code, 0)
    const { link: invitation } = JSON.parse((await platform.headway('user', 'invite', 'ada', '--json')).stdout)
    await page.goto(invitation)
    await page.getByLabel('New password').fill('correct horse battery')
    await page.getByRole('button', { name: 'Set password and sign in' }).click()
    await page.getByText('The loop now').waitFor()
    // A viewer of one project sees nothing that would be refused.
    assert.equal(await page.getByRole('link', { name: 'Ledger' }).count(), 0)
    await page.goto('/projects/default/services/shop')
    await page.getByText('Golden signals').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Roll back' }).count(), 0)

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('User').fill('ada')
    await page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('The loop now').waitFor()
    await visitor.context.close()
  })

  test('everything is reached by the keyboard: the palette, the pages, the help', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    await visitor.go('/projects/default', 'The loop now')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content')
    await Promise.all([page.keyboard.press('g'), page.keyboard.press('p')]) // the second key counts for a moment only
    await page.getByRole('heading', { name: 'Pipelines' }).waitFor()
    await page.evaluate(twoKeysAndADrawingBetween('s'))
    await page.getByRole('heading', { name: 'Services', level: 1 }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Type a page' }).fill('shop')
    // Runs that hold the word may be known before services are, which stand above them.
    await page.getByRole('listbox').getByRole('option').first().filter({ hasText: 'service' }).waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'shop', level: 1 }).waitFor()
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })

  test('hostile titles and logs are shown as what they are', async () => {
    const { browser, platform, failed } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    let alerts = 0
    visitor.page.on('dialog', (dialog) => {
      alerts += 1
      void dialog.dismiss()
    })
    await visitor.go('/projects/default/runs', '<img src=x onerror=alert(1)>')
    await visitor.go(`/projects/default/runs/${failed}?search=bold`, '<img src=x onerror=alert(1)>')
    await visitor.page.getByText('<b>bold</b>').first().waitFor()
    assert.equal(await visitor.page.locator('main img').count(), 0)
    assert.equal(alerts, 0)
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })

  test('a service is rolled back in two clicks, and the page shows it without being asked', async () => {
    const { browser, platform, repository } = world
    const files = exampleFiles('node', 'shop', 1)
    await repository.commit('Mend the test', {
      'test/page.test.js': files['test/page.test.js'] ?? '',
      'more.txt': 'second',
    })
    const pushed = await repository.push()
    assert.equal(pushed.code, 0, pushed.output)
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    await visitor.go('/projects/default/services/shop', 'Golden signals')
    const article = page.getByRole('article').filter({ hasText: 'production' })
    const newest = (await article.locator('code').textContent()) ?? ''
    await article.getByRole('button', { name: 'Roll back' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click()
    await article.filter({ hasNotText: newest, hasText: 'live' }).waitFor()
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })

  test('the server goes and comes back while a page is open: the page says so, and is up to date again by itself', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    await visitor.go('/settings?tab=users', 'Add a user')
    await page.getByRole('cell', { name: 'admin', exact: true }).waitFor() // the form stands before the list has come
    await platform.crash()
    await page.getByText('The server does not answer. What you see').waitFor()
    await page.getByRole('cell', { name: 'admin', exact: true }).waitFor()
    const told = page.getByText('Connected again').waitFor({ timeout: 2 * patienceMs }) // it says so for a moment only
    await Promise.all([platform.restart(), told])
    assert.equal((await platform.headway('user', 'add', 'grace')).code, 0)
    await page.getByRole('cell', { name: 'grace', exact: true }).waitFor()
    await visitor.context.close()
  })
})

/** Presses g and another key; between them the help comes and goes. */
const twoKeysAndADrawingBetween = (key: string): string => `(async () => {
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  const drawn = () => new Promise((done) => setTimeout(done))
  press('g')
  press('?')
  await drawn()
  document.querySelector('dialog[open]').close()
  await drawn()
  press('${key}')
})()`
