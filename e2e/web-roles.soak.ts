import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { openBrowser, patienceMs, type Visitor, visit } from './support/browser.ts'
import { changed, exampleFiles } from './support/example.ts'
import { type Furnished, furnish, type Place } from './support/furnished.ts'

const roles = ['viewer', 'developer', 'operator', 'administrator'] as const
type Role = (typeof roles)[number]
/** A button, who sees it at least, and what a click on it does: a dialog opens, something is done (not tried here), or the page changes. */
type Shown = readonly [button: string, role: Role, does: 'asks' | 'acts' | 'turns']

/** Every button of every page by its name, without what stands in lists of lines; `…` is a name that somebody gave. */
const shown: Readonly<Record<string, readonly Shown[]>> = {
  service: [
    ['Deploy again', 'developer', 'asks'],
    ['Remove service', 'operator', 'asks'],
    ['Roll back', 'developer', 'asks'],
  ],
  'service-logs': [['Remove service', 'operator', 'asks']],
  'service-history': [['Remove service', 'operator', 'asks']],
  'service-file': [['Remove service', 'operator', 'asks']],
  'service-releases': [
    ['Remove service', 'operator', 'asks'],
    ['Deploy to production', 'developer', 'asks'],
    ['What changed', 'viewer', 'turns'],
  ],
  rollout: [
    ['Abort', 'developer', 'asks'],
    ['Pause', 'developer', 'asks'],
    ['Promote now', 'developer', 'asks'],
  ],
  runs: [['Start …', 'developer', 'asks']],
  'service-migrations': [['Remove service', 'operator', 'asks']],
  'runs-tests': [['greets the visitor by name', 'viewer', 'asks']],
  run: [
    ['Revert', 'developer', 'asks'],
    ['Run again', 'developer', 'acts'],
  ],
  changes: [['Open a change', 'developer', 'asks']],
  change: [
    ['Abandon', 'developer', 'asks'],
    ['Approve', 'developer', 'acts'],
    ['Comment', 'developer', 'acts'],
    ['Edit', 'developer', 'asks'],
    ['Erase text', 'administrator', 'asks'],
    ['Merge', 'developer', 'asks'],
    ['Start', 'developer', 'acts'],
    ['Test again', 'developer', 'acts'],
  ],
  'change-files': [
    ['Abandon', 'developer', 'asks'],
    ['Approve', 'developer', 'acts'],
    ['Comment on line …', 'developer', 'acts'],
    ['Edit', 'developer', 'asks'],
    ['Erase text', 'administrator', 'asks'],
    ['Merge', 'developer', 'asks'],
    ['Test again', 'developer', 'acts'],
    ['▾src/page.js', 'viewer', 'acts'],
  ],
  previews: [['Start …', 'developer', 'acts']],
  incidents: [['Open an incident', 'developer', 'asks']],
  incident: [
    ['Acknowledge', 'developer', 'asks'],
    ['Dismiss', 'developer', 'asks'],
    ['Mitigated', 'developer', 'asks'],
    ['Resolved', 'developer', 'asks'],
    ['Say what caused it', 'developer', 'asks'],
  ],
  insights: [
    ['Change', 'operator', 'asks'],
    ['Export CSV', 'viewer', 'acts'],
    ['Export JSON', 'viewer', 'acts'],
  ],
  'insights-days': [
    ['Change', 'operator', 'asks'],
    ['Export CSV', 'viewer', 'acts'],
    ['Export JSON', 'viewer', 'acts'],
    ['Show', 'viewer', 'acts'],
  ],
  'insights-flow': [
    ['Export CSV', 'viewer', 'acts'],
    ['Export JSON', 'viewer', 'acts'],
  ],
  'insights-calms': [
    ['Ask people', 'operator', 'asks'],
    ['Export CSV', 'viewer', 'acts'],
    ['Export JSON', 'viewer', 'acts'],
  ],
  'insights-toil': [
    ['Export CSV', 'viewer', 'acts'],
    ['Export JSON', 'viewer', 'acts'],
    ['Say', 'operator', 'asks'],
    ['Write down', 'developer', 'acts'],
  ],
  'insights-digest': [
    ['Copy', 'viewer', 'acts'],
    ['Download', 'viewer', 'acts'],
    ['Earlier', 'viewer', 'turns'],
    ['Later', 'viewer', 'acts'],
    ['Save', 'operator', 'acts'],
  ],
  deployment: [['Correct', 'developer', 'asks']],
  'settings-you': [
    ['End …', 'viewer', 'asks'],
    ['Set password', 'viewer', 'acts'],
  ],
  'settings-tokens': [
    ['Create', 'viewer', 'acts'],
    ['Revoke …', 'viewer', 'asks'],
  ],
  'settings-users': [
    ['Add', 'administrator', 'acts'],
    ['Invite …', 'administrator', 'acts'],
    ['Roles …', 'administrator', 'asks'],
  ],
  'settings-runners': [
    ['Create', 'administrator', 'acts'],
    ['Labels …', 'administrator', 'asks'],
  ],
  'settings-environments': [
    ['Add', 'administrator', 'acts'],
    ['Calendar …', 'administrator', 'asks'],
    ['Freeze …', 'operator', 'asks'],
    ['Rules …', 'administrator', 'asks'],
    ['Save', 'operator', 'acts'],
    ['Set', 'operator', 'acts'],
  ],
  'settings-repositories': [
    ['Create', 'developer', 'acts'],
    ['Branches …', 'viewer', 'asks'],
    ['Protect …', 'operator', 'asks'],
    ['Rules', 'operator', 'asks'],
    ['Rules …', 'viewer', 'asks'],
  ],
  'settings-data': [
    ['Back up now', 'administrator', 'acts'],
    ['Copy', 'administrator', 'acts'],
  ],
  'settings-secrets': [['Set', 'developer', 'acts']],
  'settings-actions': [
    ['Bring', 'administrator', 'acts'],
    ['Save', 'administrator', 'acts'],
  ],
  'settings-webhooks': [['Add', 'administrator', 'acts']],
  'settings-import': [
    ['Copy', 'viewer', 'turns'],
    ['Import', 'operator', 'acts'],
  ],
  ledger: [
    ['Checkpoint', 'administrator', 'asks'],
    ['Rebuild the views', 'administrator', 'asks'],
    ['Show', 'administrator', 'turns'],
    ['Verify', 'administrator', 'acts'],
    ['Verify against a checkpoint', 'administrator', 'asks'],
  ],
}
/** Pages of the whole instance: not offered to whoever has a role in one project only. */
const ofInstance = ['ledger', 'settings-users', 'settings-runners', 'settings-actions']

const reaches = (role: Role, least: Role): boolean => roles.indexOf(role) >= roles.indexOf(least)
const walked = (role: Role, { name }: Place): boolean =>
  role === 'administrator' ||
  (!ofInstance.includes(name) && (role === 'viewer' || (shown[name] ?? []).some(([, least]) => least !== 'viewer')))

describe('who may do what on the web', { concurrency: 1 }, () => {
  let world: Furnished
  let browser: Browser
  before(async () => {
    world = await furnish()
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    await world?.destroy()
  })

  let asked = 0
  const as = async (role: Role): Promise<Visitor> => {
    const scope = role === 'administrator' ? { role } : { role, project: 'default' }
    const { secret } = await world.ask('POST', '/tokens', { ...scope, user: role, name: `walk-${++asked}` })
    return visit(browser, world.platform, { token: secret })
  }

  for (const role of roles)
    test(`a${/^[ao]/.test(role) ? 'n' : ''} ${role} sees on each page what works for one of that role, and nothing else`, async () => {
      const visitor = await as(role)
      const { page } = visitor
      for (const place of world.places.filter((one) => walked(role, one))) {
        await visitor.go(place.path, place.shows)
        const mine = (shown[place.name] ?? []).filter(([, least]) => reaches(role, least))
        await settles(page, `${role} on ${place.name}`, [...new Set(mine.map(([name]) => name))].sort())
        for (const [name, , does] of mine) {
          if (does === 'acts') continue
          const button = page
            .locator('main')
            .getByRole('button', { name: buttonNamed(name) })
            .first()
          if (await button.isDisabled()) continue
          await button.click()
          if (does === 'turns') continue
          await page.getByRole('dialog').waitFor()
          await page.keyboard.press('Escape')
          await page.getByRole('dialog').waitFor({ state: 'detached' })
        }
      }
      for (const [name, link] of [
        ['Ledger', 'administrator'],
        ['Users', 'administrator'],
      ] as const) {
        if (name === 'Users') await visitor.go('/settings', 'Password')
        const count = await page.getByRole('link', { name, exact: true }).count()
        assert.equal(count > 0, reaches(role, link), `${role} and the link ${name}`)
      }
      assert.deepEqual(visitor.faults, [])
      await visitor.context.close()
    })

  test('every control of every page is reached by Tab alone, and one sees where one is', async () => {
    const visitor = await as('administrator')
    const found: string[] = []
    for (const place of world.places) {
      await visitor.go(place.path, place.shows)
      found.push(...(await tabbed(visitor.page)).map((one) => `${place.name}: ${one}`))
    }
    assert.deepEqual([...found, ...visitor.faults], [])
    await visitor.context.close()
  })

  test('a viewer makes a token for what a viewer may, and it works', async () => {
    const visitor = await as('viewer')
    const { page } = visitor
    await visitor.go('/settings?tab=tokens', 'New token')
    assert.deepEqual(await page.getByLabel('Role').locator('option').allTextContents(), ['viewer'])
    await page.getByLabel('Name').fill('my-ci')
    await page.getByRole('button', { name: 'Create' }).click()
    await page.getByRole('dialog').getByText('hw_').waitFor()
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })

  test('a developer holds a canary, lets it go on, ends its step and takes it back, and everybody who looks sees it', async () => {
    const developer = await as('developer')
    const viewer = await as('viewer')
    const { page } = developer
    const place = world.places.find(({ name }) => name === 'rollout')
    assert.ok(place)
    await developer.go(place.path, place.shows)
    await viewer.go(place.path, place.shows)
    const order = async (button: string): Promise<void> => {
      await page.getByRole('button', { name: button }).click()
      await page.getByRole('dialog').getByLabel('Reason').fill(`because <b>${button}</b>`)
      await page.getByRole('dialog').getByRole('button', { name: button }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    await order('Pause')
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    await viewer.page.getByText('because <b>Pause</b>').first().waitFor()
    await order('Resume')
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    await order('Promote now')
    await viewer.page.getByText('has 50 % of the traffic').waitFor()
    await order('Abort')
    await viewer.page.getByText('rolled back', { exact: true }).first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Abort' }).count(), 0)
    assert.deepEqual([...developer.faults, ...viewer.faults], [])
    await viewer.context.close()
    await developer.context.close()
  })

  test('one pushes a version that fails half of its users, watches it judged, and sees it taken back by itself', async () => {
    const visitor = await as('developer')
    const { page } = visitor
    await visitor.go('/projects/default/rollouts', 'Finished')
    const bad = changed(
      exampleFiles('node', 'shop', 2),
      'src/server.js',
      /response\.set\(/,
      `${halfFails}response.set(`,
    )
    await world.release('Fail half of them', bad, '{ weight: 50, min: 5m, max: 20m }, 100')
    await page.getByRole('heading', { name: 'Under way' }).waitFor()
    await page.getByRole('link', { name: 'shop' }).first().click()
    await page.getByText('Evidence against the new version').first().waitFor()
    await page
      .getByText(/rolled back|taken back|undone/)
      .first()
      .waitFor()
    assert.deepEqual(visitor.faults, [])
    await visitor.context.close()
  })
})

const halfFails = `if (Math.random() < 0.5) return response.status(500).end()
  `

const buttonNamed = (name: string): string | RegExp =>
  name.endsWith(' …') ? new RegExp(`^${name.slice(0, -1)}`) : name

/** Waits until the page shows these buttons and no others; what it shows instead is told where it never does. */
const settles = async (page: Page, where: string, wanted: readonly string[]): Promise<void> => {
  const until = performance.now() + patienceMs
  for (;;) {
    const seen = await page.evaluate<string[]>(buttonsSeen)
    const names = [
      ...new Set(
        seen.map((name) =>
          name.replace(
            /^(Branches|End|Revoke|Roles|Invite|Rules|Labels|Protect|Calendar|Freeze|Start|Comment on line) .+/,
            '$1 …',
          ),
        ),
      ),
    ]
    if (JSON.stringify(names.sort()) === JSON.stringify(wanted)) return
    if (performance.now() > until) assert.deepEqual(names, wanted, where)
    await page.waitForTimeout(100)
  }
}

/** By the names of buttons outside of lists of lines; runs in the page. */
const buttonsSeen = `[...document.querySelectorAll('main button')]
  .filter((button) => button.checkVisibility() && !button.closest('section[aria-label^="Log"]'))
  .map((button) => (button.getAttribute('aria-label') ?? button.textContent).trim())`

/** Presses Tab until the focus is where it began, and tells of controls that it never came to or on which one does not see it. */
const tabbed = async (page: Page): Promise<readonly string[]> => {
  await page.evaluate(watchFocus)
  // Counted anew each time, as a list may come later than the page.
  const controls = (): Promise<number> => page.evaluate<number>('globalThis.__controls().length')
  for (let pressed = 0; pressed < (await controls()) + 12; pressed += 1) await page.keyboard.press('Tab')
  return page.evaluate<string[]>('globalThis.__missed()')
}

const watchFocus = `(() => {
  const named = (one) => one.tagName.toLowerCase() + ' ' +
    (one.getAttribute('aria-label') ?? one.textContent ?? '').trim().slice(0, 40)
  const isControl = 'a[href], button:not(:disabled), input:not([type=hidden]), select, textarea, summary'
  const met = new WeakSet()
  const unseen = new Set()
  globalThis.__controls = () => [...document.querySelectorAll(isControl)].filter((one) =>
    one.checkVisibility({ visibilityProperty: true }) && !one.closest('[inert]') && one.tabIndex >= 0)
  globalThis.__missed = () => [
    ...globalThis.__controls().filter((one) => !met.has(one)).map((one) => 'never reached: ' + named(one)),
    ...[...unseen].map((name) => 'focus not seen on ' + name),
  ]
  document.addEventListener('focusin', ({ target }) => {
    met.add(target)
    const { outlineStyle, outlineWidth } = getComputedStyle(target)
    if (target.matches(isControl) && (outlineStyle === 'none' || parseFloat(outlineWidth) < 1)) unseen.add(named(target))
  })
})()`
