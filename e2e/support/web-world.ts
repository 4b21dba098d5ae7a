import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { openBrowser, tokenOf, visit } from './browser.ts'
import { exampleFiles } from './example.ts'
import { startPlatform } from './platform.ts'

/** A Headway of one's own, a browser in which its administrator is signed in, and the repository of a service that is not pushed yet. */
export type WebWorld = Awaited<ReturnType<typeof openWebWorld>>

export const openWebWorld = async ({
  language = 'static',
  files = {},
  environments = 'production',
  users = {},
}: {
  /** Of the example that the service is. */
  language?: 'static' | 'node'
  /** Besides those of the example. */
  files?: Record<string, string>
  environments?: string
  /** The role of each. */
  users?: Readonly<Record<string, 'viewer' | 'developer' | 'operator'>>
} = {}) => {
  const platform = await startPlatform({ environments })
  const browser = await openBrowser()
  const shop = await platform.repository('shop', { ...exampleFiles(language, 'shop', 1), ...files })
  for (const [user, role] of Object.entries(users))
    assert.equal((await platform.headway('user', 'add', user, '--role', role)).code, 0)
  return {
    platform,
    browser,
    shop,
    admin: await visit(browser, platform, { token: tokenOf(platform) }),
    /** Asks the API as the administrator. */
    ask: async (method: string, path: string, body?: unknown) => {
      const answer = await fetch(`${platform.url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${tokenOf(platform)}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      assert.ok(answer.ok, `${method} ${path}: ${text}`)
      return JSON.parse(text)
    },
    /** Stops all of it and removes what it left. */
    close: async (): Promise<void> => {
      await browser.close()
      await platform.destroy()
      rmSync(shop.directory, { recursive: true, force: true })
    },
  }
}
