import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { barriersOf, cutTablesOf, toTheme, type Visitor, visitAs } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const hostile = '<img src=x onerror=alert(1)> \u202eevil'
const workflow = `on: push
jobs:
  deploy:
    name: '<b>let me</b>'
    runs-on: ubuntu-latest
    environment: Vault
    steps: [{ run: echo in }]
`

/** Somebody who is told, and takes what he is told to; the numbers of the facts that he was told of. */
const openReceiver = async () => {
  const got: number[] = []
  let status = 400
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      got.push(Number(String(request.headers['webhook-id']).split('/').at(-1)))
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    got,
    url: `http://127.0.0.1:${address.port}/`,
    answer: (next: number): void => {
      status = next
    },
    close: (): void => {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe('what waits for somebody, and what is set, on the web', { concurrency: 1 }, () => {
  let world: WebWorld
  let bob: Visitor
  before(async () => {
    world = await openWebWorld({ environments: 'staging,production', users: { bob: 'operator', vera: 'viewer' } })
    const held = await world.platform.headway('environments', 'set', 'production', '--policy', 'approval')
    assert.equal(held.code, 0)
    bob = await visitAs(world.browser, world.platform, 'bob')
  })
  after(() => world?.close())

  test('an environment is made and taken away again while nothing stands there', async () => {
    const { admin } = world
    const { page } = admin
    await admin.go('/settings?tab=environments', 'Add an environment')
    const adding = page.locator('form').filter({ hasText: 'Before' })
    await adding.getByLabel('Name').fill('qa')
    await adding.getByLabel('Before').selectOption('')
    await adding.getByRole('button', { name: 'Add' }).click()
    await page.getByRole('button', { name: 'Remove qa' }).waitFor()
    // What another takes from cannot go.
    assert.equal(await page.getByRole('button', { name: 'Remove staging' }).count(), 0)
    await page.getByRole('button', { name: 'Remove qa' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('button', { name: 'Remove qa' }).waitFor({ state: 'detached' })
    assert.deepEqual(admin.faults, [])
  })

  test('who has a part in a release is told why he cannot approve it, somebody else approves it where all that waits is shown', async () => {
    const { shop, admin } = world
    const pushed = await shop.push()
    assert.equal(pushed.code, 0, pushed.output)
    await admin.go('/projects/default', 'shop waits for approval into production')
    assert.equal(await admin.page.getByRole('button', { name: /^Approve/ }).count(), 0)
    await admin.page.getByRole('button', { name: /^Refuse/ }).waitFor()
    await admin.go('/projects/default/services/shop', /You cannot approve it: admin has a part in what it brings/)
    await admin.page.getByText('Needs one operator').waitFor()
    assert.deepEqual(await barriersOf(admin.page), [])

    const { page } = bob
    await bob.go('/projects/default', 'for operator')
    await page.getByRole('button', { name: /^Approve shop/ }).click()
    await page.getByRole('dialog').getByText('It goes as soon as nothing else is in its way.').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
    await page.getByText('shop waits for approval into production').waitFor({ state: 'detached' })
    // The other window follows by itself.
    await admin.page.getByText('Waits to go on').waitFor({ state: 'detached' })
    await admin.page.getByRole('heading', { name: 'production' }).waitFor()

    await shop.commit('Louder', { 'public/index.html': '<h1>Louder</h1>\n' })
    assert.equal((await shop.push()).code, 0)
    await bob.go('/projects/default/services/shop', 'Waits to go on')
    await page.getByRole('button', { name: /^Refuse/ }).click()
    await page.getByRole('dialog').getByLabel('Why').fill(hostile)
    await page.getByRole('dialog').getByRole('button', { name: 'Refuse' }).click()
    await page.getByText('Waits to go on').waitFor({ state: 'detached' })
    assert.deepEqual([...admin.faults, ...bob.faults], [])
  })

  test('jobs wait for an environment until somebody other than who caused the run lets them in, on the page of the run', async () => {
    const { platform, admin } = world
    await admin.go('/settings?tab=environments', 'Jobs of pipelines')
    const protection = admin.page.locator('form').filter({ hasText: 'From branches and tags' })
    await protection.getByLabel('Environment').fill('vault')
    await protection.getByRole('button', { name: 'Set' }).click()
    await admin.page.getByText('waits for an operator other than who caused it').waitFor()
    const gates = await platform.repository('gates', { '.github/workflows/ci.yml': workflow })
    const pushing = gates.push()
    try {
      await admin.go('/projects/default', '<b>let me</b> waits to use vault')
      await admin.page.getByText('<b>let me</b> waits to use vault').click()
      await admin.page.getByText('You caused this run, and somebody else must agree.').waitFor()
      assert.equal(await admin.page.getByRole('button', { name: 'Approve' }).count(), 0)
      const run = new URL(admin.page.url()).pathname
      await bob.go(run, 'Jobs wait to use vault')
      assert.deepEqual(await barriersOf(bob.page), [])
      await bob.page.getByRole('button', { name: 'Approve' }).click()
      await bob.page.getByRole('dialog').getByLabel('What you have to say').fill(hostile)
      await bob.page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
      await bob.page.getByText('Jobs wait to use vault').waitFor({ state: 'detached' })
      const { code, output } = await pushing
      assert.equal(code, 0, output)
    } finally {
      await pushing
      rmSync(gates.directory, { recursive: true, force: true })
    }
    assert.deepEqual([...admin.faults, ...bob.faults], [])
  })

  test('windows and freezes are planned, a secret is set and goes; a viewer is offered none of it', async () => {
    const { platform, browser, admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    await admin.go('/settings?tab=environments', 'Add an environment')
    await page.getByRole('button', { name: 'Calendar production' }).click()
    await dialog.getByRole('button', { name: 'Add a window' }).click()
    await dialog.getByRole('checkbox', { name: 'Sat' }).check()
    await dialog.getByLabel('Time zone').fill('Europe/Zurich')
    await dialog.getByRole('button', { name: 'Plan a freeze' }).click()
    const freeze = dialog.getByRole('group', { name: 'freeze 1' })
    await freeze.getByLabel('From').fill('2031-12-24T00:00')
    await freeze.getByLabel('Until').fill('2031-12-01T00:00')
    await freeze.getByLabel('Why').fill(hostile)
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByText('it ends before it begins').waitFor()
    await freeze.getByLabel('Until').fill('2032-01-02T00:00')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('mon, tue, wed, thu, fri, sat 09:00 to 17:00 (Europe/Zurich)').waitFor()
    await page.getByText('⟨202E⟩').waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    await page.getByRole('button', { name: 'Calendar production' }).click()
    await dialog.getByRole('button', { name: 'Remove window 1' }).click()
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('(Europe/Zurich)').waitFor({ state: 'detached' })
    await page.getByText('⟨202E⟩').waitFor()

    await admin.go('/settings?tab=secrets', 'None yet')
    await page.getByLabel('Name').fill('API_KEY')
    await page.getByLabel('Value').fill('sesame')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await page.getByText('Set. Services get it').waitFor()
    await page.getByRole('button', { name: 'Remove API_KEY' }).click()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('None yet').waitFor()
    // What the server refuses is told at the field.
    await page.getByLabel('Name').fill('HEADWAY_HOME')
    await page.getByLabel('Value').fill('sesame')
    await page.getByRole('button', { name: 'Set', exact: true }).click()
    await page.locator('input[name="name"][aria-invalid="true"]').waitFor()
    const refused = admin.faults.splice(0).filter((fault) => !fault.startsWith('console: Failed to load resource'))
    assert.deepEqual(
      refused.map((fault) => fault.replace(/http.*\//, '')),
      ['422 production', '400 HEADWAY_HOME'],
    )

    const vera = await visitAs(browser, platform, 'vera')
    await vera.go('/settings?tab=environments', 'Jobs of pipelines')
    for (const name of ['Calendar production', 'Remove production', 'Freeze production', 'Set', 'Add'])
      assert.equal(await vera.page.getByRole('button', { name, exact: true }).count(), 0, name)
    await vera.go('/settings?tab=secrets', 'None yet')
    assert.equal(await vera.page.getByRole('button', { name: 'Set', exact: true }).count(), 0)
    assert.deepEqual(vera.faults, [])
    await vera.context.close()
  })

  test('what somebody did not take is sent again, one, all, or everything from a fact on', async () => {
    const { platform, admin } = world
    const receiver = await openReceiver()
    try {
      const { page } = admin
      const dialog = page.getByRole('dialog')
      await admin.go('/settings?tab=webhooks', 'Nobody is told yet')
      const telling = page.locator('form').filter({ hasText: 'Types, with commas between' })
      await telling.getByLabel('Name').fill('siem')
      await telling.getByLabel('Address').fill(receiver.url)
      await telling.getByLabel('Types').fill('dev.cdevents.incident.*')
      await telling.getByRole('button', { name: 'Add' }).click()
      await dialog.getByRole('button', { name: 'Close' }).click()
      for (const title of ['one', 'two', hostile])
        assert.equal((await platform.headway('incidents', 'open', title, '--service', 'shop')).code, 0)
      await page.getByText('3 not taken').waitFor()
      await page.getByRole('button', { name: 'Dead letters' }).click()
      await dialog.getByText('answered 400').first().waitFor()
      const letters = dialog.getByRole('button', { name: /^Send fact/ })
      assert.equal(await letters.count(), 3)
      receiver.answer(200)
      await letters.nth(1).click()
      await dialog.getByText('Taken: 1').waitFor()
      await letters.nth(2).waitFor({ state: 'detached' })
      await dialog.getByRole('button', { name: 'Send all again' }).click()
      await dialog.getByText('Taken: 2').waitFor()
      await dialog.getByText('Everything was taken').waitFor()
      assert.deepEqual(await barriersOf(page), [])
      const [first = 0, second = 0, third = 0] = receiver.got
      assert.deepEqual(receiver.got, [first, second, third, second, first, third])
      await dialog.getByLabel('Tell everything again').fill(String(first))
      await dialog.getByRole('button', { name: 'Tell again' }).click()
      await dialog.getByText('is told again').waitFor()
      const deadline = Date.now() + 60_000
      while (receiver.got.length < 8 && Date.now() < deadline) await page.waitForTimeout(50)
      assert.deepEqual(receiver.got.slice(6), [second, third])
      await dialog.getByRole('button', { name: 'Close' }).click()

      await admin.go('/projects/default/insights?tab=digest', 'the week until')
      await page.getByText('⟨202E⟩').or(page.getByText('<img src=x onerror=alert(1)>')).first().waitFor()
      assert.equal(await page.locator('main img').count(), 0)
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Download' }).click(),
      ])
      assert.equal(file.suggestedFilename(), 'digest-default.md')
      await page.getByLabel('Every').selectOption('Monday')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Every Monday at 8:00').waitFor()
      await page.getByRole('button', { name: 'Earlier' }).click()
      await page.getByRole('button', { name: 'Later' }).click()
      assert.deepEqual(admin.faults, [])
    } finally {
      receiver.close()
    }
  })

  test('all of these pages are without a barrier in both themes, and fit a phone and a wall', async () => {
    const { admin } = world
    const { page } = admin
    const found: string[] = []
    for (const [path, shows] of [
      ['/projects/default/insights?tab=digest', 'the week until'],
      ['/settings?tab=environments', 'Jobs of pipelines'],
      ['/settings?tab=secrets', 'None yet'],
      ['/settings?tab=actions', 'None yet'],
    ] as const)
      for (const [width, colorScheme, rules] of [
        [360, 'dark', undefined],
        [2560, 'light', ['color-contrast']],
      ] as const) {
        await page.setViewportSize({ width, height: 900 })
        await toTheme(page, colorScheme)
        await admin.go(path, shows)
        found.push(...(await barriersOf(page, rules)).map((barrier) => `${path}, ${colorScheme}: ${barrier}`))
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        if (over > 0) found.push(`${path}: ${over} px too wide for ${width} px`)
        found.push(...(await cutTablesOf(page)).map((cut) => `${path}, ${width} px: ${cut}`))
        const seen = await page.evaluate<number>(chosenTabsSeen)
        if (seen !== 1) found.push(`${path}: ${seen} chosen tabs are seen at ${width} px`)
      }
    assert.deepEqual([...found, ...admin.faults], [])
  })
})

/** Counts every further tab that says it is the chosen one, and none that has been scrolled away. */
const chosenTabsSeen = `(() => {
  const chosen = [...document.querySelectorAll('main nav [aria-current=page]')]
  const { left, right } = chosen[0]?.getBoundingClientRect() ?? {}
  return left >= 0 && right <= innerWidth ? chosen.length : 0
})()`
