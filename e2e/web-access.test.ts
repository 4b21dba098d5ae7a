import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { barriersOf, openBrowser, tokenOf, toTheme, visit } from './support/browser.ts'
import { type Platform, startPlatform } from './support/platform.ts'

describe('who uses the web', { concurrency: 1 }, () => {
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

  test('a passkey is added in the settings, signs in without a name or a password, and once revoked does not any more', async () => {
    // Passkeys belong to a name; the address of this machine has none.
    const named = { url: platform.url.replace('127.0.0.1', 'localhost') }
    const visitor = await visit(browser, named, { token: tokenOf(platform) })
    const { page, context } = visitor
    const device = await context.newCDPSession(page)
    await device.send('WebAuthn.enable')
    await device.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
        ...{ isUserVerified: true, automaticPresenceSimulation: true },
      },
    })
    await visitor.go('/settings', 'Passkeys')
    await page.getByText('None yet. A passkey').waitFor()
    await page.getByLabel('Name', { exact: true }).fill('<b>my laptop</b>')
    await page.getByRole('button', { name: 'Add a passkey' }).click()
    await page.getByText('<b>my laptop</b>').waitFor()
    await page.getByText('never used').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await visitor.go('/settings', 'passkey')
    // Signing out asks once more who one is.
    assert.deepEqual(
      visitor.faults.filter((fault) => !fault.includes('401')),
      [],
    )

    const row = page.getByRole('listitem').filter({ hasText: '<b>my laptop</b>' })
    await row.getByRole('button', { name: 'Revoke <b>my laptop</b>' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('This browser was signed in by a passkey').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    assert.equal(await row.count(), 1)
    await row.getByRole('button', { name: 'Revoke <b>my laptop</b>' }).click()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    // This session was opened by it.
    await page.getByRole('heading', { name: 'Sign in to Headway' }).waitFor()
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('this passkey does not let you in').waitFor()
    await context.close()
  })

  test('a session that ends while one fills in a dialog is taken up again over it, and what was typed is there', async () => {
    const { page, context, go } = await visit(browser, platform, { token: tokenOf(platform) })
    await go('/settings?tab=environments', 'production')
    await page.getByRole('button', { name: 'Freeze production' }).click()
    const freeze = page.getByRole('dialog', { name: 'Freeze production?' })
    await freeze.getByLabel('Why').fill('the yearly audit')
    await endAllSessions()
    await freeze.getByRole('button', { name: 'Freeze' }).click()
    const signIn = page.getByRole('dialog', { name: 'Sign in to Headway' })
    await signIn.getByText('Your session has ended').waitFor()
    assert.equal(await signIn.getByLabel('User').inputValue(), 'admin')
    for (const theme of ['light', 'dark'] as const) {
      await toTheme(page, theme)
      assert.deepEqual(await barriersOf(page), [])
    }
    // Neither a key nor a search leads past it.
    for (const key of ['Escape', 'Escape', 'Control+k']) await page.keyboard.press(key)
    await signIn.getByText('Your session has ended').waitFor()
    assert.equal(await page.getByRole('dialog').count(), 2)

    await signInBy(signIn, tokenOf(platform))
    await signIn.waitFor({ state: 'detached' })
    await freeze.getByText('Nothing was done: your session had ended.').waitFor()
    assert.equal(await freeze.getByLabel('Why').inputValue(), 'the yearly audit')
    await freeze.getByRole('button', { name: 'Freeze' }).click()
    await freeze.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Unfreeze production' }).waitFor()
    await context.close()
  })

  test('the page says by itself that its session has ended; a secret that was typed is in no store, and nobody else gets to see it', async () => {
    const { page, context, go } = await visit(browser, platform, { token: tokenOf(platform) })
    const signIn = page.getByRole('dialog', { name: 'Sign in to Headway' })
    const value = page.locator('main').getByLabel('Value')
    await go('/settings?tab=secrets', 'Secrets')
    await value.fill('sesame-open')
    await endAllSessions()
    await signIn.waitFor()
    assert.equal(await stored(page).then((all) => all.includes('sesame-open')), false)
    await signInBy(signIn, tokenOf(platform))
    await signIn.waitFor({ state: 'detached' })
    assert.equal(await value.inputValue(), 'sesame-open')

    // Signed in again in another tab: it is enough to come back.
    await endAllSessions()
    await signIn.waitFor()
    const data = { kind: 'token', token: tokenOf(platform) }
    await context.request.post('/api/v1/sessions', { data, headers: { origin: platform.url } })
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await signIn.waitFor({ state: 'detached' })
    assert.equal(await value.inputValue(), 'sesame-open')

    await ask('POST', '/users', { user: 'mallory', role: 'administrator' })
    const { secret } = await ask('POST', '/tokens', { name: 'other', role: 'administrator', user: 'mallory' })
    await endAllSessions()
    await signIn.waitFor()
    await signInBy(signIn, secret)
    await page.getByText('mallory', { exact: true }).waitFor()
    await value.waitFor()
    assert.equal(await value.inputValue(), '')
    await context.close()
  })

  test('a session ends once one has said so, and ending that of this browser signs out', async () => {
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    const { page } = visitor
    await visit(browser, platform, { token: tokenOf(platform) })
    await visitor.go('/settings', 'this browser')
    const dialog = page.getByRole('dialog')
    const rows = page.locator('main').getByRole('row')
    const before = await rows.count()
    const other = rows.filter({ hasNotText: 'this browser' }).first().getByRole('button', { name: /^End / })
    await other.click()
    await dialog.getByText('Whoever uses it has to sign in again').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.match(await page.evaluate<string>("document.activeElement?.getAttribute('aria-label') ?? ''"), /^End /)
    assert.equal(await rows.count(), before)
    await other.click()
    await dialog.getByRole('button', { name: 'End' }).click()
    await dialog.waitFor({ state: 'detached' })
    await rows.nth(before - 1).waitFor({ state: 'detached' })
    assert.deepEqual(visitor.faults, [])

    await page.getByRole('button', { name: 'End this browser' }).click()
    await dialog.getByText('You are signed out here, at once').waitFor()
    await dialog.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Headway', level: 1 }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/sign-in')
    await visitor.context.close()
  })

  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${platform.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${tokenOf(platform)}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${text}`)
    return JSON.parse(text)
  }
  const endAllSessions = async (): Promise<void> => {
    for (const { session } of await ask('GET', '/sessions?all=true')) await ask('DELETE', `/sessions/${session}`)
  }
})

const signInBy = async (signIn: Locator, token: string): Promise<void> => {
  await signIn.getByRole('tab', { name: 'Token' }).click()
  await signIn.getByLabel('Token').fill(token)
  await signIn.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Everything that a page may keep beyond itself. */
const stored = (page: Page): Promise<string> =>
  page.evaluate<string>(`(async () => JSON.stringify([
    { ...localStorage }, { ...sessionStorage }, history.state, location.href, document.cookie,
    await indexedDB.databases(), await caches.keys(),
  ]))()`)
