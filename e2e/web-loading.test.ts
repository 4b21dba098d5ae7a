import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page, Route } from 'playwright-core'
import { barriersOf, openBrowser, tokenOf, toTheme, visit } from './support/browser.ts'
import { type Platform, startPlatform } from './support/platform.ts'

describe('the web while it is loaded', { concurrency: 1 }, () => {
  let platform: Platform
  let browser: Browser
  before(async () => {
    platform = await startPlatform()
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    await platform?.destroy()
  })

  test('what is chosen in the palette stays where it is while lists are loaded, in whatever order they come', async () => {
    const { page, context, faults, go } = await visit(browser, platform, { token: tokenOf(platform) })
    await go('/settings', 'Passkeys')
    const lists = {
      services: await held(page, /\/services(\?|$)/, { services: names.map((service) => ({ service })), total: 3 }),
      changes: await held(page, /\/changes(\?|$)/, { changes: [{ repository: 'tools', number: 7, title: 'Say it' }] }),
      runs: await held(page, /\/runs(\?|$)/, {
        runs: [{ run: 'run-1', repository: 'tools', number: 3, title: 'Second version' }],
      }),
    }
    await page.keyboard.press('Control+k')
    const options = page.getByRole('option')
    const texts = async (): Promise<string[]> => options.locator(':scope > :first-child').allTextContents()
    const chosen = page.getByRole('option', { selected: true }).locator(':scope > :first-child')
    await page.getByRole('combobox', { name: 'Type a page' }).fill('i')
    const pages = await texts()
    assert.ok(pages.length > 2 && pages.includes('Settings'), pages.join(', '))
    await page.keyboard.press('ArrowDown')
    const second = pages[1] ?? ''
    assert.equal(await chosen.textContent(), second)

    // Those that stand last come first, and wait.
    await lists.runs()
    await lists.changes()
    assert.deepEqual(await texts(), pages)
    await lists.services()
    await page.getByRole('option', { name: 'Second version' }).waitFor()
    assert.deepEqual(await texts(), [...pages, ...names, 'tools #7 Say it', 'tools 3 Second version'])
    assert.equal(await chosen.textContent(), second)
    assert.equal(
      await page.getByRole('combobox', { name: 'Type a page' }).getAttribute('aria-activedescendant'),
      await page.evaluate<string>(optionId),
    )
    assert.deepEqual(await barriersOf(page), [])

    await page.getByRole('combobox', { name: 'Type a page' }).fill('qu')
    assert.deepEqual(await texts(), ['quick'])
    assert.deepEqual(faults, [])
    await context.close()
  })

  test('a part of the page that does not come leaves words and a way on, with or without the scripts that tell of it', async () => {
    const { page, context } = await visit(browser, platform, { token: tokenOf(platform) })
    const lose = (what: RegExp) => page.route(what, (route) => route.abort('connectionreset'))
    const main = page.getByRole('main')
    const retry = main.getByRole('link', { name: 'Try again' })

    await lose(/\/assets\/(?!index-)[^/]*\.js$/) // what the first module imports
    await page.goto('/settings?tab=you#here')
    await main.getByRole('heading', { name: 'Headway has not been loaded', level: 1 }).waitFor()
    await main.getByText('/assets/index-').waitFor()
    for (const theme of ['light', 'dark'] as const) {
      await toTheme(page, theme)
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 860 })
        assert.deepEqual(await barriersOf(page), [])
        assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
      }
    }
    await page.unroute(/\/assets\/(?!index-)[^/]*\.js$/)
    await page.locator('a:focus').press('Enter')
    await page.getByRole('heading', { name: 'Passkeys' }).waitFor()
    assert.equal(new URL(page.url()).hash, '#here')
    assert.equal(await page.getByText('has not been loaded').count(), 0)

    // Without any script, not even the one that tells: nothing has happened for a while.
    await lose(/\.js$/)
    await page.goto('/settings?tab=you')
    await main.getByRole('heading', { name: 'Headway has not been loaded' }).waitFor()
    await page.unroute(/\.js$/)
    await retry.click()
    await page.getByRole('heading', { name: 'Passkeys' }).waitFor()

    // A style that was lost is asked for once more.
    let asked = 0
    await page.route(/\/assets\/index-[^/]*\.css$/, (route) => {
      asked += 1
      return asked === 1 ? route.abort('connectionreset') : route.continue()
    })
    await page.goto('/settings?tab=you')
    await page.getByRole('heading', { name: 'Passkeys' }).waitFor()
    await page.waitForFunction("getComputedStyle(document.body).marginTop === '0px'")
    assert.equal(asked, 2)
    await context.close()
  })
})

const names = ['items', 'quick', 'things']
const optionId = 'document.querySelector("[role=option][aria-selected=true]").id'

/** Holds what is asked for there until the function that this resolves to is called, which answers and waits until that has arrived. */
const held = async (page: Page, path: RegExp, json: unknown): Promise<() => Promise<void>> => {
  let asked: (route: Route) => void = () => undefined
  const route = new Promise<Route>((resolve) => {
    asked = resolve
  })
  await page.route(path, (one) => asked(one))
  return async () => {
    const arrived = page.waitForResponse(path)
    await (await route).fulfill({ json })
    await (await arrived).finished()
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
  }
}
