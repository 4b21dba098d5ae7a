import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { barriersOf, cutTablesOf, tokenOf, toTheme, visit } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const insights = '/projects/default/insights'
/** It was the 11th of January in Berlin, and still the 10th in UTC. */
const lateOnTheTenth = Date.UTC(2025, 0, 10, 23, 30)
const formula = '=HYPERLINK("http://evil.test","x")'

const deployed = {
  ...{ type: 'deployment', id: 'stock-1', service: 'stock', environment: 'production', outcome: 'succeeded' },
  ...{ startedAt: lateOnTheTenth - 60_000, finishedAt: lateOnTheTenth, revision: 'v1', kind: 'planned' },
  commits: [{ commit: '1'.repeat(40), at: lateOnTheTenth - 3_600_000, repository: 'octo/stock' }],
}

/** What a button gives to be kept, by its name and what is in it. */
const exported = async (page: Page, kind: 'CSV' | 'JSON') => {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: `Export ${kind}` }).click(),
  ])
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') }
}

/** Goes on by the Tab key until what has the focus is called so. */
const tabTo = async (page: Page, name: string): Promise<void> => {
  const focused = `(() => {
    const at = document.activeElement
    return at?.getAttribute('aria-label') ?? at?.labels?.[0]?.textContent ?? at?.textContent ?? ''
  })()`
  for (let step = 0; step < 60; step += 1) {
    if ((await page.evaluate<string>(focused)) === name) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`the Tab key never came to "${name}"`)
}

describe('insights of days of one’s choice, on the web', { concurrency: 1 }, () => {
  let world: WebWorld
  before(async () => {
    world = await openWebWorld()
    const { ask } = world
    await ask('POST', '/projects/default/events?source=elsewhere', [deployed])
    for (const what of [formula, 'Restarted the cache'])
      await ask('POST', `${insights}/toil`, { what, minutes: 30, at: lateOnTheTenth })
  })
  after(() => world?.close())

  test('days are chosen by the keyboard alone, in the zone that is chosen, and the address leads back to them', async () => {
    const { admin, browser, platform } = world
    const { page } = admin
    await admin.go(insights, 'Change lead time')
    await tabTo(page, 'Period')
    await page.keyboard.type('Days')
    await page.getByLabel('From day').waitFor()
    await tabTo(page, 'From day')
    await page.keyboard.type('01112025')
    await tabTo(page, 'To day')
    await page.keyboard.type('01112025')
    await page.keyboard.press('Enter')
    await page
      .getByRole('heading', { name: '11 Jan 2025 – 11 Jan 2025' })
      .or(page.getByText(/Jan 11, 2025/))
      .first()
      .waitFor()
    // In UTC, where this browser is, nothing came on that day.
    await page.getByText('0 in all').waitFor()
    await page.getByLabel('Time zone').focus()
    await page.keyboard.type('Europe/Berlin')
    await page.getByText('1 in all').waitFor()
    const asked = new URL(page.url()).searchParams
    assert.deepEqual(
      [asked.get('from'), asked.get('to'), asked.get('zone')],
      ['2025-01-11', '2025-01-11', 'Europe/Berlin'],
    )
    const other = await visit(browser, platform, { token: tokenOf(platform) })
    await other.go(page.url(), '1 in all')
    assert.equal(await other.page.getByLabel('From day').inputValue(), '2025-01-11')
    assert.deepEqual([...admin.faults, ...other.faults], [])
    await other.context.close()
    // Another period is one of fixed length again.
    await page.getByLabel('Period').selectOption({ label: '30 days' })
    await page.getByLabel('From day').waitFor({ state: 'detached' })
    assert.equal(new URL(page.url()).searchParams.has('from'), false)
  })

  test('a last day before the first is told at its field, and nothing is asked', async () => {
    const { admin } = world
    const { page } = admin
    await admin.go(`${insights}?tab=flow&from=2025-01-01&to=2025-01-31`, 'No change went live there')
    await page.getByLabel('To day').fill('2024-12-31')
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.getByRole('alert').getByText('The last day is before the first.').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    assert.equal(new URL(page.url()).searchParams.get('to'), '2025-01-31')
    assert.deepEqual(admin.faults, [])
  })

  test('what an address says that cannot be asked is told as it was written, and leads to what can be', async () => {
    const { admin } = world
    const { page } = admin
    for (const tab of ['', 'tab=flow&', 'tab=calms&', 'tab=toil&']) {
      const address = `${insights}?${tab}from=2025-02-30&to=%3Cimg%20src%3Dx%3E&zone=Mars/Olympus&period=9&bucket=minute`
      await admin.go(address, 'names a time that cannot be shown')
      for (const text of ['“2025-02-30”', '“<img src=x>”', '“Mars/Olympus”', '“9”', '“minute”'])
        await page.getByRole('alert').getByText(text).waitFor()
      assert.deepEqual(await barriersOf(page), [])
      await page.getByRole('link', { name: 'Show the last 90 days' }).click()
      await page
        .getByRole('button', { name: 'Export CSV' })
        .or(page.getByText('Nothing was deployed'))
        .first()
        .waitFor()
    }
    assert.deepEqual(admin.faults, [])
  })

  test('what is exported is what the command line prints for the same days', async () => {
    const { admin, platform } = world
    const { page } = admin
    const days = ['--since', '2025-01-11', '--until', '2025-01-12', '--zone', 'Europe/Berlin', '--csv']
    const address = 'from=2025-01-11&to=2025-01-11&zone=Europe/Berlin'
    const answers = [
      ['dora', 'delivery', ['--bucket', 'day']],
      ['flow', 'flow', []],
      ['calms', 'calms', []],
      ['toil', 'toil', []],
    ] as const
    for (const [command, tab, more] of answers) {
      await admin.go(`${insights}?tab=${tab}&${address}`, 'Export CSV')
      const csv = await exported(page, 'CSV')
      const printed = await platform.headway('insights', command, ...days, ...more)
      assert.deepEqual(csv, { name: `${command}-default.csv`, text: printed.stdout })
      const json = await exported(page, 'JSON')
      assert.equal(json.name, `${command}-default.json`)
      const { span } = JSON.parse(json.text)
      assert.deepEqual(span, { from: Date.UTC(2025, 0, 10, 23), until: Date.UTC(2025, 0, 11, 23) })
    }
    const { stdout } = await platform.headway('toil', ...days)
    assert.equal(
      stdout,
      [
        'what,source,times,minutes',
        'Restarted the cache,logged,1,30',
        '"\'=HYPERLINK(""http://evil.test"",""x"")",logged,1,30',
        '',
      ].join('\n'),
    )
    assert.deepEqual(admin.faults, [])
  })

  test('with days of one’s choice every answer is without a barrier in both themes, and fits a phone and a wall', async () => {
    const { browser, platform } = world
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    for (const tab of ['delivery', 'flow', 'calms', 'toil'])
      for (const width of [360, 2560]) {
        await page.setViewportSize({ width, height: 860 })
        const address = `${insights}?tab=${tab}&from=2025-01-01&to=2025-01-31&zone=America/Argentina/Buenos_Aires`
        await visitor.go(address, 'Export CSV')
        for (const theme of ['light', 'dark'] as const) {
          await toTheme(page, theme)
          assert.deepEqual(await barriersOf(page), [], `${tab} ${theme} ${width}`)
        }
        assert.deepEqual(await cutTablesOf(page), [])
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        assert.ok(over <= 0, `${tab} is ${over} px wider than ${width} px`)
      }
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })
})
