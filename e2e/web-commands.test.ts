import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { barriersOf, type Visitor, visitAs } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const project = '/projects/default'
const leaves = `name: Leave something
on: workflow_dispatch
jobs:
  leave:
    runs-on: ubuntu-latest
    steps:
      - run: echo kept > report.txt
      - uses: actions/upload-artifact@v4
        with: { name: report, path: report.txt }
`
const yaml = `name: shop
language: node
port: 3000
replicas: 1
release: { strategy: rolling, migrate: echo the tables stand }
alerts:
  - { name: slow <b>pages</b>, when: p95_5m > 10s, do: [halt] }
`

describe('what the command line can do, done on the web', { concurrency: 1 }, () => {
  let world: WebWorld
  let vera: Visitor
  let dora: Visitor
  const commits: string[] = []
  before(async () => {
    world = await openWebWorld({
      language: 'node',
      files: { 'headway.yaml': yaml, '.github/workflows/leave.yml': leaves },
      users: { vera: 'viewer', dora: 'developer' },
    })
    for (const word of ['one', 'two', 'three']) {
      commits.push(await world.shop.commit(`Say ${word}`, { 'words.txt': word }))
      const pushed = await world.shop.push()
      assert.equal(pushed.code, 0, pushed.output)
      assert.match(pushed.output, /live/, pushed.output)
    }
    vera = await visitAs(world.browser, world.platform, 'vera')
    dora = await visitAs(world.browser, world.platform, 'dora')
  })
  after(() => world?.close())

  const noBarriers = async ({ page }: Visitor): Promise<void> => assert.deepEqual(await barriersOf(page), [])
  const noFaults = ({ faults }: Visitor): void => assert.deepEqual(faults, [])
  const shown = (at: number): string => (commits[at] ?? '').slice(0, 7)
  const offers = async ({ page }: Visitor, names: readonly string[]): Promise<string[]> => {
    const counts = await Promise.all(
      names.map((name) => page.locator('main').getByRole('button', { name, exact: true }).count()),
    )
    return names.filter((_, at) => counts[at] !== 0)
  }

  test('rollback --to, deploy: a developer brings back the release that is chosen, and deploys it again', async () => {
    const { page } = dora
    const dialog = page.getByRole('dialog')
    await dora.go(`${project}/services/shop`, 'Golden signals')
    await page.getByText(shown(2)).first().waitFor()
    await page.getByRole('button', { name: 'Roll back' }).click()
    const to = dialog.getByLabel('To')
    await dialog.getByText('the one before').waitFor({ state: 'attached' })
    await to.locator('option', { hasText: shown(0) }).waitFor({ state: 'attached' })
    const options = await to.locator('option').allTextContents()
    assert.deepEqual(
      options.map((text) => text.replace(/, made .*/, '')),
      ['the one before', shown(1), shown(0)],
    )
    await noBarriers(dora)
    await to.selectOption({ label: options[2] ?? '' })
    await dialog.getByRole('button', { name: 'Roll back' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('region', { name: 'Environments' }).getByText(shown(0)).waitFor()
    await page.getByText('live', { exact: true }).first().waitFor()

    await page.getByRole('button', { name: 'Deploy again' }).click()
    await dialog.getByText(`${shown(0)}, as it runs now`).waitFor()
    await noBarriers(dora)
    await dialog.getByRole('button', { name: 'Deploy again' }).click()
    await dialog.waitFor({ state: 'detached' })
    await dora.go(`${project}/services/shop?tab=history`, 'configuration')
    noFaults(dora)
    await vera.go(`${project}/services/shop`, 'Golden signals')
    assert.deepEqual(await offers(vera, ['Roll back', 'Deploy again']), [])
  })

  test('migrations --log, alerts, promotions --all, logs --since: a viewer sees them', async () => {
    const { page } = vera
    const dialog = page.getByRole('dialog')
    await vera.go(`${project}/services/shop`, 'slow <b>pages</b>')
    await page.getByText('p95_5m > 10s').waitFor()
    await vera.go(`${project}/services/shop?tab=history`, 'Promotions')
    await page.getByRole('region', { name: 'Promotions' }).getByText('granted').first().waitFor()
    await noBarriers(vera)
    await vera.go(`${project}/services/shop?tab=migrations`, 'the tables stand')
    assert.equal(await page.getByRole('button', { name: /^Log of the migration/ }).count(), 3)
    await noBarriers(vera)
    await page.getByRole('button', { name: `Log of the migration of ${shown(1)}` }).click()
    await dialog.getByText('the tables stand').waitFor()
    await noBarriers(vera)
    await dialog.getByRole('button', { name: 'Close' }).click()

    await vera.go(`${project}/services/shop?tab=logs`, 'Follow')
    const asked = page.waitForRequest((request) => request.url().includes('&until='))
    await page.getByLabel('From').fill('2026-01-31T12:00')
    await page.getByLabel('Until').fill('2026-02-01T12:00')
    const query = new URL((await asked).url()).searchParams
    assert.deepEqual(
      [query.get('follow'), Number(query.get('until')) - Number(query.get('since'))],
      ['false', 86_400_000],
    )
    await page.getByText('No line matches').waitFor()
    assert.equal(await page.getByLabel('Follow').isChecked(), false)
    await noBarriers(vera)
    noFaults(vera)
  })

  test("tests, artifacts rm, revert: what a repository's tests show is searched, what a run left is deleted, its commit taken back", async () => {
    const { page } = dora
    const dialog = page.getByRole('dialog')
    await dora.go(`${project}/runs?tab=tests`, 'greets the visitor')
    await page.getByLabel('Search tests').fill('nothing like it')
    await page.getByText('No test is like that').waitFor()
    await page.getByLabel('Search tests').fill('GREETS')
    await page.getByLabel('Which tests').selectOption('slowest')
    await page.getByRole('button', { name: 'greets the visitor' }).click()
    await dialog.getByText('It never both passed and failed').waitFor()
    await noBarriers(dora)
    await dialog.getByRole('button', { name: 'Close' }).click()
    await noBarriers(dora)

    await world.ask('POST', `${project}/repositories/shop/workflows/leave.yml/dispatches`, { ref: null, inputs: {} })
    await dora.go(`${project}/runs`, 'Leave something')
    await page.getByRole('row', { name: 'Leave something' }).getByRole('link').click()
    await page.getByRole('link', { name: 'report', exact: true }).waitFor()
    await vera.page.goto(page.url())
    await vera.page.getByRole('link', { name: 'report', exact: true }).waitFor()
    assert.deepEqual(await offers(vera, ['Delete report', 'Revert', 'Run again']), [])
    await page.getByRole('button', { name: 'Delete report' }).click()
    await dialog.getByText('It is gone before it expires').waitFor()
    await noBarriers(dora)
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('link', { name: 'report', exact: true }).waitFor({ state: 'detached' })

    await page.getByRole('button', { name: 'Revert' }).click()
    await dialog.getByLabel('Right on main, without a change').waitFor()
    await noBarriers(dora)
    await dialog.getByRole('button', { name: 'Revert' }).click()
    await page.getByRole('heading', { name: 'Revert "Say three"' }).waitFor()
    noFaults(dora)
    noFaults(vera)
  })

  test("changes erase, diff --at-version, repositories refs: what is one's own is erased, earlier versions are looked at", async () => {
    const { shop } = world
    const { page } = dora
    const dialog = page.getByRole('dialog')
    await shop.git('checkout', '-q', '-b', 'louder')
    await shop.commit('First try', { 'loud.txt': 'first' })
    assert.equal((await shop.push(['louder', '-o', 'change'])).code, 0)
    await shop.commit('Second try', { 'loud.txt': 'second' })
    assert.equal((await shop.push(['louder'])).code, 0)
    await dora.go(`${project}/changes`, 'First try')
    await page.getByRole('link', { name: 'First try' }).click()
    await page.getByRole('heading', { name: 'Comments' }).waitFor()
    assert.deepEqual(await offers(dora, ['Erase text']), [], 'it is the administrator who wrote it')
    await page.getByLabel('Write a comment').fill('my number is 555')
    await page.getByRole('button', { name: 'Comment', exact: true }).click()
    await page.getByRole('button', { name: 'Erase', exact: true }).click()
    await dialog.getByText('cannot be brought back').waitFor()
    await noBarriers(dora)
    await dialog.getByRole('button', { name: 'Erase' }).click()
    await page.getByText('my number is 555').waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Files' }).click()
    await page.getByText('second', { exact: true }).waitFor()
    await page.getByLabel('Version', { exact: true }).selectOption('version 1')
    await page.getByText('first', { exact: true }).waitFor()
    await noBarriers(dora)
    noFaults(dora)

    await vera.go('/settings?tab=repositories', 'Rules of all other repositories')
    await vera.page.getByRole('button', { name: 'Branches shop' }).click()
    await vera.page.getByRole('dialog').getByText('louder').waitFor()
    await noBarriers(vera)
    noFaults(vera)
  })

  test('events sources add --map, subscriptions add --after, token create --user, ledger verify --views, insights window', async () => {
    const { admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    await admin.go('/settings?tab=webhooks', 'Nobody is told yet')
    const told = page.locator('form').filter({ hasText: 'Kind' })
    await told.getByLabel('Name').fill('ci')
    await told.getByText('More').click()
    await told.getByLabel('What belongs where').fill('octo/shop\nocto/*=stock/staging')
    await told.getByLabel('Jobs and workflows that deploy').fill('deploy *\nrelease')
    await told.getByText('More').click()
    await told.getByRole('button', { name: 'Add' }).click()
    await told.getByText('"octo/shop" is no mapping').waitFor()
    assert.equal(await told.getByLabel('Name').inputValue(), 'ci', 'what was typed stays')
    await told.getByLabel('What belongs where').fill('octo/shop=shop\nocto/*=stock/staging')
    await noBarriers(admin)
    await told.getByRole('button', { name: 'Add' }).click()
    await dialog.getByText('/api/v1/hooks/default/ci').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await told.getByLabel('Name').fill('ci')
    await told.getByRole('button', { name: 'Add' }).click()
    await told.getByText('there is a system called ci already').waitFor()
    await page.getByRole('button', { name: 'Change ci' }).click()
    await dialog.getByText('More').click()
    await noBarriers(admin)
    await dialog.getByLabel('A published release is a deployment').check()
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    const [source] = await world.ask('GET', `${project}/event-sources`)
    assert.deepEqual(source, {
      ...{ source: 'ci', kind: 'github', service: null, environment: null },
      mappings: [
        { match: 'octo/shop', service: 'shop' },
        { match: 'octo/*', service: 'stock', environment: 'staging' },
      ],
      ...{ deployJobs: ['deploy *', 'release'], releases: true, incidentLabels: ['incident'] },
    })
    const telling = page.locator('form').filter({ hasText: 'Types, with commas between' })
    await telling.getByLabel('Name').fill('siem')
    await telling.getByLabel('Address').fill('http://127.0.0.1:9/headway')
    await telling.getByText('More').click()
    await telling.getByLabel('From after the fact').fill('0')
    await telling.getByLabel('The secret to sign with').fill('whsec_0123456789abcdef')
    await telling.getByRole('button', { name: 'Add' }).click()
    await page.getByText('told up to 0').or(page.getByText('tries again')).first().waitFor()
    const [exported] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export all of it as CDEvents' }).click(),
    ])
    assert.match(readFileSync(await exported.path(), 'utf8'), /dev\.cdevents\.service\.deployed/)

    await admin.go('/settings?tab=tokens', 'New token')
    await page.getByLabel('Name').fill('for-vera')
    await page.getByLabel('For').selectOption('vera')
    await page.getByLabel('Project').selectOption('default')
    await page.getByLabel('Role').selectOption('viewer')
    await page.getByLabel('Expires').selectOption('in a day')
    await noBarriers(admin)
    await page.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText('hw_').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('row', { name: 'for-vera vera' }).getByText('viewer in default').waitFor()

    await admin.go('/ledger', 'deployment.finished')
    await page.getByRole('button', { name: 'Rebuild the views' }).click()
    await dialog.getByRole('button', { name: 'Rebuild the views' }).click()
    await page.getByText('All views are what the ledger says').waitFor()

    await admin.go(`${project}/insights`, 'is suspected to come from')
    await page.getByRole('button', { name: 'Change', exact: true }).click()
    await dialog.getByLabel('Hours').fill('2')
    await noBarriers(admin)
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText('for 2 h after it').waitFor()
    noFaults(admin)
    await vera.go(`${project}/insights`, 'is suspected to come from')
    assert.deepEqual(await offers(vera, ['Change']), [])
    noFaults(vera)
  })
})
