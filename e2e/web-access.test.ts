import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { barriersOf, openBrowser, tokenOf, visit } from './support/browser.ts'
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
    await row.getByRole('button', { name: 'Revoke' }).click()
    // This session was opened by it.
    await page.getByRole('heading', { name: 'Sign in to Headway' }).waitFor()
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('this passkey does not let you in').waitFor()
    await context.close()
  })
})
