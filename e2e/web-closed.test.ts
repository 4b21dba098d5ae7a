import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { barriersOf, toTheme } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

describe('commands of the web while an environment is closed', { concurrency: 1 }, () => {
  let world: WebWorld
  before(async () => {
    world = await openWebWorld({ environments: 'staging,production' })
    assert.equal((await world.platform.headway('environments', 'set', 'production', '--policy', 'automatic')).code, 0)
    const pushed = await world.shop.push()
    assert.equal(pushed.code, 0, pushed.output)
  })
  after(() => world?.close())

  test('who froze it, until when and what becomes of a command stands beside it before it is pressed', async () => {
    const { admin, ask } = world
    const { page, go } = admin
    await go('/projects/default/services/shop', 'Golden signals')
    const card = (environment: string) =>
      page.getByRole('article').filter({ has: page.getByRole('heading', { name: environment, exact: true }) })
    const again = card('production').getByRole('button', { name: 'Deploy again' })
    await again.waitFor() // it comes there by itself once it has succeeded in staging
    assert.equal(await again.getAttribute('aria-describedby'), null)

    const until = Date.now() + 3 * 86_400_000
    const why = '<b>audit</b> of the year'
    await ask('PUT', '/projects/default/environments/production/freeze', { reason: why, until })
    const note = card('production').getByText(`: ${why}. A deployment is refused until then.`)
    await note.waitFor()
    const said = (await note.textContent()) ?? ''
    assert.match(said, /^production is frozen by admin until .*\d\d:\d\d.*an operator may\.$/)
    assert.ok(said.includes('Rolling back is possible at any time'), said)
    const about = await again.getAttribute('aria-describedby')
    assert.equal(await page.locator(`[id="${about}"]`).textContent(), said)
    for (const theme of ['light', 'dark'] as const) {
      await toTheme(page, theme)
      assert.deepEqual(await barriersOf(page), [])
    }
    await again.click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(said).waitFor()
    assert.deepEqual(await barriersOf(page), [])
    assert.deepEqual(world.admin.faults, [])
    await dialog.getByRole('button', { name: 'Deploy again' }).click()
    await dialog.getByText('headway rollback goes back at any time').waitFor()
    assert.deepEqual(
      admin.faults.splice(0).filter((fault) => !fault.includes('409')),
      [],
    )
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })

    // Lifted, it says nothing any more, by itself.
    await ask('DELETE', '/projects/default/environments/production/freeze?reason=over')
    await note.waitFor({ state: 'detached' })
  })

  test('outside of the windows the releases and a promotion say so, too', async () => {
    const { admin, ask, shop } = world
    const { page, go } = admin
    // The days of the week but those on which this may run.
    const day = (offset: number) =>
      ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][(new Date().getUTCDay() + offset) % 7]
    const windows = [{ days: [day(3)], from: '09:00', to: '10:00', timezone: 'UTC' }]
    await ask('PUT', '/environments/production', { windows })
    await shop.commit('Louder', { 'public/index.html': '<h1>Louder</h1>\n' })
    assert.equal((await shop.push()).code, 0)
    await go('/projects/default/services/shop?tab=releases', 'What changed')
    const note = page.locator('main').getByText('production is outside its deployment windows; the next one opens')
    await note.waitFor()
    assert.match((await note.textContent()) ?? '', /A deployment is refused until then.*an administrator may\.$/)
    const button = page.getByRole('button', { name: 'Deploy to production' }).first()
    assert.equal(await page.locator(`[id="${await button.getAttribute('aria-describedby')}"]`).count(), 1)
    assert.deepEqual(await barriersOf(page), [])
    await button.click()
    await page.getByRole('dialog').getByText('outside its deployment windows').waitFor()
    await page.keyboard.press('Escape')

    await go('/projects/default/services/shop', 'Golden signals')
    await page.getByText('A promotion waits until then.').waitFor()
    await page.getByRole('button', { name: 'Promote to production' }).click()
    await page.getByRole('dialog').getByText('A promotion waits until then.').waitFor()
    assert.deepEqual(admin.faults, [])
  })
})
