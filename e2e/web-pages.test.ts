import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { barriersOf, cutTablesOf, tokenOf, toTheme, visit } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

describe('the pages of the web where one learns and sets things', { concurrency: 1 }, () => {
  let world: WebWorld
  before(async () => {
    world = await openWebWorld({ language: 'node', environments: 'staging,production' })
  })
  after(() => world?.close())

  test('an empty Headway says what to do, and notices by itself when it is done', async () => {
    const { admin: visitor, shop } = world
    const { page } = visitor
    await visitor.go('/projects/default', 'Put your first service here')
    assert.deepEqual(await barriersOf(page), [])
    const pushed = await shop.push()
    assert.equal(pushed.code, 0, pushed.output)
    await page.getByText('The loop now').waitFor()
    assert.deepEqual(visitor.faults, [])
  })

  test('figures lead down to each deployment, its commits and incidents; what the rules got wrong is corrected', async () => {
    const { admin: visitor } = world
    const { page } = visitor
    await world.ask('POST', '/projects/default/events?source=elsewhere', history(Date.now()))
    await visitor.go('/projects/default/insights', 'Change lead time')
    await page.getByText('A blend of 2 services').waitFor()
    await page.getByLabel('Service', { exact: true }).selectOption('stock')
    await page.getByText('1 of 6').first().waitFor()
    const [csv] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export CSV' }).click(),
    ])
    assert.equal(csv.suggestedFilename(), 'dora-default-stock.csv')
    await page.getByLabel('What came of it').selectOption('failed')
    await page.getByRole('link', { name: 'stock v3' }).click()
    await page.getByRole('heading', { name: 'Its commits' }).waitFor()
    await page.getByRole('button', { name: 'Correct' }).click()
    await page.getByLabel('Did it fail?').selectOption('no')
    await page.getByLabel('Why').fill('the load test, not the release')
    await page.getByRole('dialog').getByRole('button', { name: 'Correct' }).click()
    await page.getByText('failed', { exact: true }).waitFor({ state: 'detached' })
    assert.deepEqual(visitor.faults, [])
  })

  test('an incident is opened, acknowledged, put down to a deployment and resolved, and its timeline tells it', async () => {
    const { admin: visitor } = world
    const { page } = visitor
    const hostile = '<img src=x onerror=alert(1)> \u202eevil\u202c'
    await visitor.go('/projects/default/incidents', 'No incident is open')
    await page.getByRole('button', { name: 'Open an incident' }).click()
    await page.getByLabel('In a few words').fill(hostile)
    await page.getByRole('combobox', { name: 'Service' }).selectOption('shop production')
    assert.deepEqual(await barriersOf(page), [])
    await page.getByRole('dialog').getByRole('button', { name: 'Open an incident' }).click()
    await page.getByRole('heading', { name: 'Timeline' }).waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    for (const step of ['Acknowledge', 'Resolved']) {
      await page.getByRole('button', { name: step, exact: true }).click()
      await page.getByRole('dialog').getByRole('button', { name: step, exact: true }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    await page.getByRole('button', { name: 'Reopen' }).waitFor()
    const [shop] = await world.ask('GET', '/projects/default/insights/deployments?service=shop')
    const version = `shop ${shop.commit.slice(0, 7)}`
    await page.getByRole('button', { name: 'Say what caused it' }).click()
    await page.getByLabel('Caused by').selectOption(shop.deployment)
    await page.getByLabel('Caused by').getByText(version).waitFor({ state: 'attached' })
    await page.getByRole('dialog').getByRole('button', { name: 'Say what caused it' }).click()
    const cause = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Put down to' }) })
    await cause.getByRole('link', { name: version, exact: true }).waitFor()
    await page.getByText(`Put down to ${version}`).waitFor()
    assert.equal(await cause.getByTitle(shop.revision).count(), 1)
    await page.getByRole('button', { name: 'Say what caused it' }).click()
    await page.getByLabel('Caused by').selectOption('')
    await page.getByLabel('Why').fill('the network')
    await page.getByRole('dialog').getByRole('button', { name: 'Say what caused it' }).click()
    await page.getByText('Put down to no deployment').waitFor()
    assert.deepEqual(visitor.faults, [])
  })

  test('webhooks go both ways, each secret shown once; a runner gets its token, a user another role, an environment rules', async () => {
    const { admin: visitor } = world
    const { page } = visitor
    const dialog = page.getByRole('dialog')
    const closed = async (): Promise<void> => {
      await dialog.getByRole('button', { name: 'Close' }).click()
      await dialog.waitFor({ state: 'detached' })
    }
    await visitor.go('/settings?tab=webhooks', 'Nobody is told yet')
    const telling = page.locator('form').filter({ hasText: 'Types, with commas between' })
    await telling.getByLabel('Name').fill('siem')
    await telling.getByLabel('Address').fill('http://127.0.0.1:9/headway')
    await telling.getByRole('button', { name: 'Add' }).click()
    await dialog.getByText('whsec_').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await closed()
    const told = page.locator('form').filter({ hasText: 'Kind' })
    await told.getByLabel('Name').fill('github')
    await told.getByRole('button', { name: 'Add' }).click()
    await dialog.getByText('/api/v1/hooks/default/github').waitFor()
    await closed()
    await page.getByRole('button', { name: 'Dead letters' }).click()
    await dialog.getByText('Everything was taken').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await closed()
    await page.getByRole('button', { name: 'Remove siem' }).click()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('Nobody is told yet').waitFor()

    await visitor.go('/settings?tab=runners', 'Let another machine run jobs')
    await page.getByLabel('Name').fill('build-2')
    await page.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText('hwr_').waitFor()
    await closed()
    await page.getByRole('button', { name: 'Revoke build-2' }).click()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('revoked', { exact: true }).waitFor()

    await visitor.go('/settings?tab=tokens', 'New token')
    await page.getByLabel('Name').fill('nightly')
    await page.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText('hw_').waitFor()
    await closed()
    await page.getByRole('button', { name: 'Revoke nightly' }).click()
    await dialog.getByText('is refused from now on').waitFor()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('revoked', { exact: true }).waitFor()

    await world.ask('POST', '/users', { user: 'ada', role: 'viewer', project: 'default' })
    await visitor.go('/settings?tab=users', 'viewer in default')
    await page.getByRole('button', { name: 'Roles ada' }).click()
    await dialog.getByLabel('Role').selectOption('operator')
    await dialog.getByRole('button', { name: 'Give' }).click()
    await dialog.getByText('operator in default').waitFor()
    await dialog.getByRole('button', { name: 'Take operator in default' }).click()
    await dialog.getByText('no role').waitFor()
    await closed()

    await visitor.go('/settings?tab=environments', 'What differs between environments')
    await page.getByRole('button', { name: 'Rules production' }).click()
    await dialog.getByLabel('Releases come in').selectOption('approval')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.locator('dd', { hasText: 'by approval' }).waitFor()
    await dialog.waitFor({ state: 'detached' })
    await page.getByLabel('At the same time, at most').fill('2')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await visitor.go('/settings?tab=environments', 'Previews of changes')
    await page.locator('input[name="quota"][value="2"]').waitFor()
    assert.deepEqual(visitor.faults, [])
  })

  test('records in a file are imported, and a release says what it changed', async () => {
    const { admin: visitor } = world
    const { page } = visitor
    await visitor.go('/settings?tab=import', 'Records or CDEvents in a file')
    const buffer = Buffer.from(JSON.stringify(history(Date.now()).slice(0, 2)))
    await page.getByLabel('File').setInputFiles({ name: 'records.json', mimeType: 'application/json', buffer })
    await page.getByRole('button', { name: 'Import' }).click()
    await page.getByText('Recorded: 2 new facts').waitFor()
    await visitor.go('/projects/default/services/shop?tab=releases', 'Runs in')
    await page.getByRole('button', { name: 'What changed' }).click()
    await page.getByText('First version').waitFor()
    const { releases } = await world.ask('GET', '/projects/default/services/shop/releases')
    await page.getByRole('cell', { name: `${releases[0].commit.slice(0, 7)} shop` }).waitFor()
    await page.getByText(releases[0].digest.slice('sha256:'.length, 'sha256:'.length + 12)).waitFor()
    assert.deepEqual(visitor.faults, [])
  })

  test('on a phone the rows of a table fold into cards, and are rows and cells as before to whoever listens', async () => {
    const { browser, platform } = world
    const { page, context, go } = await visit(browser, platform, { token: tokenOf(platform) })
    const heard = await context.newCDPSession(page)
    const rolesAt = async (width: number) => {
      await page.setViewportSize({ width, height: 900 })
      const { nodes } = await heard.send('Accessibility.getFullAXTree')
      const roles = nodes.flatMap(({ ignored, role }) => (ignored ? [] : [String(role?.value)]))
      return Object.fromEntries(
        ['table', 'row', 'columnheader', 'cell'].map((role) => [role, roles.filter((one) => one === role).length]),
      )
    }
    await go('/projects/default/insights?service=stock', 'stock v6')
    const wide = await rolesAt(1280)
    const named = page.locator('td span', { hasText: 'Lead time' }).first()
    assert.deepEqual([wide.table, wide.columnheader, await named.isVisible()], [1, 6, false])
    assert.equal(wide.cell, ((wide.row ?? 0) - 1) * 6)
    assert.deepEqual(await rolesAt(360), wide)
    await named.waitFor()
    const state = page.getByRole('row', { name: 'stock v6' }).first().getByText('succeeded')
    const box = await state.boundingBox()
    assert.ok(box && box.x + box.width <= 360, JSON.stringify(box))
    await context.close()
  })

  test('work by hand is written down and told as a share; a team is asked without names, and its answers are told together', async () => {
    const { admin: visitor, browser, platform } = world
    const { page } = visitor
    const dialog = page.getByRole('dialog')
    await visitor.go('/projects/default/insights?tab=toil', 'Nobody has said how much time there is')
    await page.getByLabel('What was done by hand').fill('Restarted <b>it</b>')
    await page.getByLabel('Minutes').fill('60')
    await page.getByRole('button', { name: 'Write down' }).click()
    await page.getByRole('button', { name: 'Remove Restarted' }).waitFor()
    await page.getByRole('button', { name: 'Say', exact: true }).click()
    await dialog.getByLabel('Hours a week').fill('1')
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Set' }).click()
    await page.getByText('the line: 50 %').waitFor()
    await page.getByRole('button', { name: 'Remove Restarted' }).click()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('Write down what you do by hand').waitFor()

    await visitor.go('/projects/default/insights?tab=calms', 'Nobody was asked yet')
    await page.getByRole('button', { name: 'Ask people' }).click()
    await dialog.getByLabel('Links, one for each person').fill('5')
    await dialog.getByRole('button', { name: 'Ask people' }).click()
    await dialog.getByText('/survey#').first().waitFor()
    const links = await dialog.getByText('/survey#').allTextContents()
    assert.equal(links.length, 5)
    await dialog.getByRole('button', { name: 'Close' }).click()
    const stranger = await visit(browser, platform, { token: null, width: 360 })
    for (const link of links) {
      await stranger.page.goto('about:blank')
      await stranger.page.goto(link)
      const first = stranger.page.getByRole('group').first()
      await first.waitFor()
      if (link === links[0]) assert.deepEqual(await barriersOf(stranger.page), [])
      await first.getByRole('radio', { name: '6', exact: true }).check()
      await stranger.page.getByRole('button', { name: 'Send' }).click()
      await stranger.page.getByText('Your answer counts').waitFor()
    }
    assert.deepEqual(stranger.faults, [])
    await stranger.context.close()
    await page.getByRole('button', { name: 'Close now' }).click()
    await dialog.getByRole('button', { name: 'Close now' }).click()
    await page.getByText('5 answers').first().waitFor()
    await page.getByText('6 of 7').first().waitFor()
    assert.deepEqual(visitor.faults, [])
  })

  test('every one of these pages is without an error or a barrier in both themes, and fits a phone and a wall', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    const [incident] = await world.ask('GET', '/projects/default/incidents')
    const [deployment] = await world.ask('GET', '/projects/default/insights/deployments?environment=production')
    const pages = [
      ['/projects/default/insights', 'The deployments behind it'],
      ['/projects/default/insights?service=nobody', 'Nothing was deployed there'],
      [`/projects/default/insights/deployment?name=${encodeURIComponent(deployment.deployment)}`, 'Its commits'],
      ['/projects/default/insights?tab=flow', 'Flow'],
      ['/projects/default/insights?tab=calms', 'Culture'],
      ['/projects/default/insights?tab=toil', 'What to automate first'],
      ['/projects/default/changes', 'No change is open'],
      ['/projects/default/changes?tab=queue', 'Nothing waits to be merged'],
      ['/projects/default/previews', 'No change is open'],
      ['/projects/default/incidents', 'No incident is open'],
      ['/projects/default/incidents?tab=all', 'resolved'],
      [`/projects/default/incidents/${encodeURIComponent(incident.incident)}`, 'Timeline'],
      ['/settings?tab=users', 'Add a user'],
      ['/settings?tab=runners', 'Jobs that nobody runs yet'],
      ['/settings?tab=environments', 'What differs between environments'],
      ['/settings?tab=webhooks', 'What they told of late'],
      ['/settings?tab=import', 'Deployments from the tags'],
    ] as const
    const found: string[] = []
    for (const [path, shows] of pages) {
      // All of axe in one theme; in the other what a theme changes.
      for (const [width, colorScheme, rules] of [
        [360, 'dark', undefined],
        [2560, 'light', ['color-contrast']],
      ] as const) {
        await page.setViewportSize({ width, height: 900 })
        await toTheme(page, colorScheme)
        await visitor.go(path, shows)
        found.push(...(await barriersOf(page, rules)).map((barrier) => `${path}, ${colorScheme}: ${barrier}`))
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        if (over > 0) found.push(`${path}: ${over} px too wide for ${width} px`)
        found.push(...(await cutTablesOf(page)).map((cut) => `${path}, ${width} px: ${cut}`))
      }
    }
    assert.deepEqual([...found, ...visitor.faults], [])
    await visitor.context.close()
  })
})

/** Six deployments of a service that another system makes, a day apart; the third had an incident. */
const history = (now: number) => [
  ...[1, 2, 3, 4, 5, 6].map((number) => {
    const finishedAt = now - (8 - number) * dayMs
    return {
      ...{ type: 'deployment', id: `stock-${number}`, service: 'stock', environment: 'production', finishedAt },
      ...{ startedAt: finishedAt - minuteMs, outcome: 'succeeded', revision: `v${number}`, kind: 'planned' },
      commits: [{ commit: `${number}`.repeat(40), at: finishedAt - 60 * minuteMs, repository: 'octo/stock' }],
    }
  }),
  {
    ...{ type: 'incident', id: 'stock-down', service: 'stock', environment: 'production', state: 'opened' },
    ...{ at: now - 5 * dayMs + 10 * minuteMs, title: 'stock is down', causedBy: 'stock-3' },
  },
  {
    ...{ type: 'incident', id: 'stock-down', service: 'stock', environment: 'production', state: 'resolved' },
    ...{ at: now - 5 * dayMs + 40 * minuteMs, title: 'stock is down' },
  },
]
