import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Platform } from './platform.ts'

/** So long may a page take on a machine that does ten other things. */
export const patienceMs = 60_000

/** Debian's Chromium, which asks nobody for anything but the pages it is sent to. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.HEADWAY_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
    timeout: patienceMs,
  })

export type Visitor = {
  readonly page: Page
  readonly context: BrowserContext
  /** What went wrong in the pages so far: errors on the console, exceptions, answers of 400 and more, requests that failed. */
  readonly faults: string[]
  /** Goes to a path and waits until a heading or text of the page is there. */
  go(path: string, shows: string | RegExp): Promise<void>
}

export const tokenOf = ({ home }: Pick<Platform, 'home'>): string =>
  readFileSync(join(home, 'admin-token'), 'utf8').trim()

/**
 * Chromium takes back what it is asking for whenever an interface of the machine gets or loses an address, as when jobs get networks of their
 * own beside it. That is no fault of a page, which asks again; what it does not get over, whoever waits for it sees.
 */
const networkChanged = 'net::ERR_NETWORK_CHANGED'

/** A browser window of its own; `token` null: nobody is signed in. */
export const visit = async (
  browser: Browser,
  platform: Pick<Platform, 'url'>,
  options: { token: string | null; theme?: 'light' | 'dark'; width?: number },
): Promise<Visitor> => {
  const context = await browser.newContext({
    baseURL: platform.url,
    viewport: { width: options.width ?? 1280, height: 860 },
    colorScheme: options.theme ?? 'light',
    reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(patienceMs)
  if (options.token !== null) {
    const data = { kind: 'token', token: options.token }
    const answer = await context.request.post('/api/v1/sessions', { data, headers: { origin: platform.url } })
    assert.equal(answer.status(), 201)
  }
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes(networkChanged))
      faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('response', (response) => response.status() >= 400 && faults.push(`${response.status()} ${response.url()}`))
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? ''
    // Whoever leaves a page takes back what it was still asking for.
    if (why !== 'net::ERR_ABORTED' && why !== networkChanged) faults.push(`${why} ${request.url()}`)
  })
  return {
    page,
    context,
    faults,
    go: async (path, shows) => {
      await page.goto(path)
      await page.locator('main').getByText(shows).first().waitFor()
    },
  }
}

/** A window in which this user is signed in, by an invitation. */
export const visitAs = async (browser: Browser, platform: Platform, user: string): Promise<Visitor> => {
  const { link } = JSON.parse((await platform.headway('user', 'invite', user, '--json')).stdout)
  const visitor = await visit(browser, platform, { token: null })
  await visitor.page.goto(link)
  await visitor.page.getByLabel('New password').fill('correct horse battery')
  await visitor.page.getByRole('button', { name: 'Set password and sign in' }).click()
  await visitor.page.getByRole('button', { name: 'Sign out' }).waitFor()
  visitor.faults.length = 0
  return visitor
}

/** Turns a page to a theme. Chromium draws it some frames after it was told to: until then what one asks of the page is of both themes. */
export const toTheme = async (page: Page, theme: 'light' | 'dark'): Promise<void> => {
  await page.emulateMedia({ colorScheme: theme })
  await page.evaluate(`new Promise((drawn) => {
    const frames = (count) => (count === 0 ? drawn() : requestAnimationFrame(() => frames(count - 1)))
    const wait = () => (matchMedia('(prefers-color-scheme: ${theme})').matches ? frames(3) : requestAnimationFrame(wait))
    wait()
  })`)
}

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** What axe finds on the page as it stands, in one line each; by some of its rules where they are named. */
export const barriersOf = async (page: Page, rules?: readonly string[]): Promise<string[]> => {
  const axe = new AxeBuilder({ page })
  const { violations } = await (rules ? axe.withRules([...rules]) : axe.withTags(tags)).analyze()
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary}`),
  )
}

/** Tables that are wider than their place, so that what stands at the end of a row is out of sight, in one line each. */
export const cutTablesOf = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`[...document.querySelectorAll('.table-box')]
    .filter((box) => box.scrollWidth > box.clientWidth)
    .map((box) => box.getAttribute('aria-label') + ' is ' + (box.scrollWidth - box.clientWidth) + ' px wider than its place')`)
