import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { openBrowser, tokenOf, visit } from '../e2e/support/browser.ts'
import { type Platform, startPlatform } from '../e2e/support/platform.ts'
import { large, seed, writeLog } from './seed.ts'

type Say = (name: string, figure: string) => void
const logBytes = 100 * 1024 * 1024
const rounds = 5
const log = 'section[aria-label^="Log:"]'

/**
 * The web on the instance of a large team (`bench/seed.ts`) in Debian's Chromium: what the first page weighs, how long the browser takes
 * to answer a key or a click (Event Timing: up to the next frame), how long until a page shows what it is about, and a log of 100 MB.
 * With HEADWAY_BENCH_HOME that home is seeded unless it was before, and kept: seeding takes minutes, measuring one.
 */
export const measureWeb = async (say: Say): Promise<void> => {
  const kept = process.env.HEADWAY_BENCH_HOME
  const home = kept ?? mkdtempSync(join(tmpdir(), 'headway-web-'))
  try {
    const run = kept && existsSync(seededAt(kept)) ? readFileSync(seededAt(kept), 'utf8') : await seeded(home, say)
    const starting = performance.now()
    const platform = await startPlatform({ home, keep: true })
    const browser = await openBrowser()
    try {
      await firstAnswer(platform)
      say('  the next start, until every view has followed, s', seconds(performance.now() - starting))
      await measurePages(browser, platform, run, say)
    } finally {
      await browser.close()
      await platform.destroy()
    }
  } finally {
    if (!kept) rmSync(home, { recursive: true, force: true })
  }
}

/** Names the newest run of a home that was seeded to the end. */
const seededAt = (home: string): string => join(home, 'seeded')

const seeded = async (home: string, say: Say): Promise<string> => {
  await (await startPlatform({ home, keep: true })).destroy()
  const began = performance.now()
  const run = await seed(home, large)
  writeLog(home, run, 'test', logBytes)
  writeFileSync(seededAt(home), run)
  say('seeding 500 services, 50,000 deployments, 10,000 runs, s', seconds(performance.now() - began))
  return run
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1)

const firstAnswer = async (platform: Platform): Promise<void> => {
  for (;;) {
    const headers = { authorization: `Bearer ${tokenOf(platform)}` }
    const asked = fetch(`${platform.url}/api/v1/projects/default/services`, { headers })
    const answer = await asked.catch(() => null) // the views of half a million facts take longer than a request may
    if (answer?.ok) return
  }
}

export const measurePages = async (browser: Browser, platform: Platform, run: string, say: Say): Promise<void> => {
  const { page, context, go } = await visit(browser, platform, { token: tokenOf(platform) })
  const devtools = await context.newCDPSession(page)
  await page.addInitScript(observe)
  const weight = await weigh(devtools, () => go('/projects/default', 'The loop now'))
  say('home, first load, everything as it came over the wire, kB', weight)
  const at = (path: string) => `/projects/default${path}`
  for (const [path, shows] of [
    ['', 'The loop now'],
    ['/services', 'service-001'],
    ['/services/service-250', 'Golden signals'],
    ['/rollouts', 'Finished'],
    ['/runs', 'Change 9999'],
    ['/changes', 'No change is open'],
  ] as const)
    say(`until ${path || '/'} shows what it is about, ms`, await times(() => go(at(path), shows)))

  await go(at('/services'), 'service-001')
  const filter = page.getByRole('searchbox', { name: 'Filter services' })
  say(
    'a key in the filter of 500 services, ms',
    await interactions(page, async () => {
      for (const key of '042') await filter.press(key)
      await filter.press('Backspace')
      await filter.fill('')
    }),
  )
  say(
    'from page to page by the navigation, ms',
    await interactions(page, async () => {
      for (const name of ['Pipelines', 'Services', 'Rollouts', 'Loop']) {
        await page.getByRole('navigation').getByRole('link', { name }).click()
        await page.getByRole('heading', { level: 1 }).first().waitFor()
        await page.waitForTimeout(300)
      }
    }),
  )
  say(
    'the palette, and what is typed in it, ms',
    await interactions(page, async () => {
      await page.keyboard.press('Control+k')
      for (const key of 'service-07') await page.keyboard.press(key)
      await page.keyboard.press('Escape')
    }),
  )
  await measureLog(page, at(`/runs/${run}?job=test`), say)
  await context.close()
}

/** From the address to the first lines, scrolling through it, and what is searched in it. */
const measureLog = async (page: Page, path: string, say: Say): Promise<void> => {
  const first = await times(async () => {
    await page.goto('about:blank')
    await page.goto(path)
    await page.getByText('of a log that goes on').first().waitFor()
  })
  say('a log of 100 MB: from the address to its lines, ms', first)
  const loading = performance.now()
  await page.locator(`${log}[aria-busy=false]`).waitFor({ timeout: 120_000 })
  say('  until all of it is there, s', seconds(performance.now() - loading))
  const frames = await page.evaluate<string>(scrollThrough)
  say('  scrolling through it: frames, ms', frames)
  say(
    '  a search for a word that stands in every 97th line, ms',
    await interactions(page, async () => {
      const box = page.getByRole('searchbox', { name: 'Search this log' })
      await box.fill('not badly')
      await box.press('Enter')
      await page.getByText(/^1 of /).waitFor()
    }),
  )
}

const times = async (act: () => Promise<void>): Promise<string> => {
  const taken: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now()
    await act()
    taken.push(performance.now() - began)
  }
  return spread(taken)
}

const spread = (values: readonly number[]): string => {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return `${middle.toFixed(0)} (most ${(sorted.at(-1) ?? Number.NaN).toFixed(0)}, n ${sorted.length})`
}

/** What came over the wire, headers and all, in kB of 1,000 bytes. */
const weigh = async (devtools: CDPSession, act: () => Promise<void>): Promise<string> => {
  const kinds = new Map<string, string>()
  const sums = new Map<string, number>()
  await devtools.send('Network.enable')
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: true })
  devtools.on('Network.responseReceived', ({ requestId, type }) => void kinds.set(requestId, type))
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) === 'Fetch' ? 'answers of the API' : 'page'
    sums.set(kind, (sums.get(kind) ?? 0) + encodedDataLength)
  })
  await act()
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: false })
  const total = [...sums.values()].reduce((one, other) => one + other, 0)
  const parts = [...sums].map(([kind, bytes]) => `${kind} ${(bytes / 1_000).toFixed(1)}`)
  return `${(total / 1_000).toFixed(1)} (${parts.join(', ')})`
}

/** Collects what Event Timing says of keys and clicks; runs in the page. */
const observe = `
  globalThis.__events = []
  new PerformanceObserver((list) => {
    for (const { name, duration, interactionId } of list.getEntries())
      if (interactionId > 0) globalThis.__events.push(duration)
  }).observe({ type: 'event', durationThreshold: 16, buffered: true })
`

const interactions = async (page: Page, act: () => Promise<void>): Promise<string> => {
  const taken: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    await page.evaluate('globalThis.__events.length = 0')
    await act()
    await page.waitForTimeout(500)
    taken.push(...(await page.evaluate<number[]>('globalThis.__events')))
  }
  return taken.length === 0 ? 'below 16' : spread(taken)
}

/** Two hundred frames of scrolling, from the top to the end; runs in the page. */
const scrollThrough = `(async () => {
  const box = document.querySelector('${log}')
  const frames = []
  let before = performance.now()
  for (let frame = 0; frame <= 200; frame += 1) {
    box.scrollTop = ((box.scrollHeight - box.clientHeight) * frame) / 200
    await new Promise((resolve) => requestAnimationFrame(resolve))
    frames.push(performance.now() - before)
    before = performance.now()
  }
  frames.sort((one, other) => one - other)
  const at = (share) => frames[Math.floor(frames.length * share)].toFixed(0)
  return 'p50 ' + at(0.5) + ', p95 ' + at(0.95) + ', most ' + at(0.999) + ' (n ' + frames.length + ')'
})()`
