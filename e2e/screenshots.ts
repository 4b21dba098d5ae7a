import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { openBrowser, tokenOf, visit } from './support/browser.ts'
import { furnish, type Place } from './support/furnished.ts'
import { repositoryRoot } from './support/platform.ts'

/**
 * `npm run screenshots [-- WORD...]`: every page of a furnished Headway (those with a word in their name), as a phone, a laptop and a
 * wall show it, in both themes, whole, as PNG in web/dist/screenshots, to be looked at. With `--readme` instead the three that the README
 * shows, into docs/, after a while of traffic.
 */
const widths = [360, 1280, 2560] as const
const themes = ['light', 'dark'] as const
/** A page asks for its smaller parts after its larger ones. */
const settledMs = 700

/** Pictures of these places, named `<place>-<width>-<theme>.png`; resolves to what was wider than its window. */
export const shoot = async (
  browser: Browser,
  platform: { readonly url: string; readonly home: string },
  places: readonly Place[],
  folder: string,
): Promise<readonly string[]> => {
  mkdirSync(folder, { recursive: true })
  const tooWide: string[] = []
  for (const theme of themes)
    for (const width of widths) {
      const visitor = await visit(browser, platform, { token: tokenOf(platform), theme, width })
      for (const { name, path, shows } of places) {
        await visitor.go(path, shows)
        await visitor.page.waitForTimeout(settledMs)
        const over = await visitor.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        if (over > 0) tooWide.push(`${name}: ${over} px wider than ${width} px`)
        await visitor.page.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`), fullPage: true })
      }
      await visitor.context.close()
    }
  return tooWide
}

/** So long there is traffic before the pictures of the README, so that their charts have something to show. */
const trafficMs = 45_000

const shootReadme = async (): Promise<void> => {
  const furnished = await furnish('slow for some')
  const browser = await openBrowser()
  try {
    await new Promise((resolve) => setTimeout(resolve, trafficMs))
    const { page, context, go } = await visit(browser, furnished.platform, { token: tokenOf(furnished.platform) })
    for (const { name, path, shows } of furnished.places.filter((place) => forReadme.includes(place.name))) {
      await go(path, shows)
      await page.waitForTimeout(settledMs)
      await page.screenshot({ path: join(repositoryRoot, `docs/web-${name}.png`) })
    }
    await context.close()
  } finally {
    await browser.close()
    await furnished.destroy()
  }
}
const forReadme: readonly string[] = ['loop', 'service', 'rollout']

const main = async (): Promise<void> => {
  if (process.argv.includes('--readme')) return shootReadme()
  const words = process.argv.slice(2)
  const folder = join(repositoryRoot, 'web/dist/screenshots')
  const furnished = await furnish()
  const browser = await openBrowser()
  try {
    const places = furnished.places.filter(
      ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
    )
    const tooWide = await shoot(browser, furnished.platform, places, folder)
    console.log([...tooWide, `${places.length * widths.length * themes.length} pictures in ${folder}`].join('\n'))
  } finally {
    await browser.close()
    await furnished.destroy()
  }
}

if (import.meta.main) await main()
