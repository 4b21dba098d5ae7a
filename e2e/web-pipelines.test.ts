import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Browser, Download } from 'playwright-core'
import { barriersOf, openBrowser, tokenOf, toTheme, type Visitor, visit } from './support/browser.ts'
import { type Platform, type Repository, startPlatform } from './support/platform.ts'

/** Says all that a log can hold, leaves all that a run can leave, fails in its first attempt, and then does not end by itself. */
const workflow = `name: checks
on: push
jobs:
  look:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Speak
        run: |
          echo "::group::Set things up"
          echo "inside the fold"
          echo "::endgroup::"
          printf '\\033[31mred words\\033[0m and \\033[2Jtricks\\n'
          for number in $(seq 1 300); do echo "line $number of many"; done
          echo "::error file=src/page.js,line=7::the page is empty"
          printf '## What was seen\\n\\n| part | state |\\n| --- | --- |\\n| page | **empty** |\\n\\n<b>as it is</b>\\n' >> "$GITHUB_STEP_SUMMARY"
          echo "all that was seen" > report.txt
      - name: Report
        run: |
          if test "$GITHUB_RUN_ATTEMPT" = 1; then said='<failure message="not this time"/>'; else said=''; fi
          echo "<testsuite name=\\"pages\\"><testcase classname=\\"page\\" name=\\"flickers\\">$said</testcase><testcase classname=\\"page\\" name=\\"stands\\"/></testsuite>" > junit.xml
      - uses: actions/upload-artifact@v4
        with: { name: report, path: report.txt }
      - run: test "$GITHUB_RUN_ATTEMPT" -gt 1
  wait:
    needs: look
    runs-on: ubuntu-latest
    steps: [{ run: 'for number in $(seq 20000); do echo "still waiting, $number"; sleep 0.05; done' }]
`

type World = { platform: Platform; browser: Browser; repository: Repository; visitor: Visitor }

describe('pipelines on the web', { concurrency: 1 }, () => {
  let world: World
  before(async () => {
    const platform = await startPlatform()
    const browser = await openBrowser()
    const files = { '.github/workflows/checks.yml': workflow, 'src/page.js': '\n'.repeat(9) }
    const repository = await platform.repository('shop', files)
    await repository.push()
    const visitor = await visit(browser, platform, { token: tokenOf(platform) })
    world = { platform, browser, repository, visitor }
  })
  after(async () => {
    await world?.browser.close()
    await world?.platform.destroy()
    if (world) rmSync(world.repository.directory, { recursive: true, force: true })
  })

  /** What a click downloads. */
  const downloaded = async (act: () => Promise<void>): Promise<{ name: string; text: string }> => {
    const [download] = await Promise.all<[Promise<Download>, Promise<void>]>([
      world.visitor.page.waitForEvent('download'),
      act(),
    ])
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'latin1') }
  }

  test('runs are found by state and words, in an address that shows the same again', async () => {
    const { page, go } = world.visitor
    await go('/projects/default/runs', 'First version')
    await page.getByLabel('State', { exact: true }).selectOption('failed')
    await page.waitForURL(/state=failure/)
    await page.getByRole('searchbox', { name: 'Filter runs' }).fill('SHOP version')
    await page.waitForURL(/filter=SHOP/)
    await page.getByRole('link', { name: 'First version' }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: 'First version' }).waitFor()
    assert.equal(await page.getByRole('searchbox', { name: 'Filter runs' }).inputValue(), 'SHOP version')
    await page.getByLabel('State', { exact: true }).selectOption('passed')
    await page.getByText('No run is like that.').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await page.goBack() // to where one was before the filters, none of which is a step of its own
    assert.deepEqual(world.visitor.faults, [])
  })

  test('a run shows what it said and left: colours, folds, search, a line by its number, files, annotations, a summary', async () => {
    const { page, go } = world.visitor
    await go('/projects/default/runs', 'First version')
    await page.getByRole('link', { name: 'First version' }).click()
    await page.getByText('src/page.js:7').waitFor()
    await page.getByText('the page is empty').first().waitFor()
    await page.getByRole('heading', { name: 'What was seen' }).waitFor()
    await page.getByRole('cell', { name: 'empty' }).waitFor()
    await page.getByText('<b>as it is</b>', { exact: true }).waitFor()

    const log = page.getByRole('region', { name: 'Log: look' })
    const box = page.getByRole('searchbox', { name: 'Search this log' })
    const found = log.locator('.bg-wait-wash') // the line that a search has led to
    const find = async (words: string): Promise<void> => {
      await box.fill(words)
      const scrolled = await page.evaluate('scrollY')
      await box.press('Enter')
      await found.filter({ hasText: words }).first().waitFor()
      await page.getByText(/^1 of [1-9]/).waitFor()
      assert.equal(await page.evaluate('scrollY'), scrolled) // the log moves, not the page
    }
    await page.evaluate('scrollTo(0, 100)')
    await find('red words')
    assert.match((await log.getByText('red words', { exact: true }).getAttribute('class')) ?? '', /text-bad/)
    await log.getByText('⟨001B⟩').first().waitFor()
    await find('inside the fold')
    await log.getByText('inside the fold', { exact: true }).waitFor()
    const fold = log.getByRole('button', { name: 'Set things up' })
    await fold.click()
    await log.getByText('inside the fold', { exact: true }).waitFor({ state: 'detached' })
    // A hit in a fold opens it, whoever folded it; each of the hits is gone through once.
    const hits = Number(/of (\d+)/.exec((await page.getByText(/^1 of [1-9]/).textContent()) ?? '')?.[1])
    for (let hit = 0; hit < hits; hit += 1) await page.getByRole('button', { name: 'Next match' }).click()
    const inside = log.getByText('inside the fold', { exact: true })
    await inside.waitFor()
    assert.equal(await fold.getAttribute('aria-expanded'), 'true')
    const [line, frame] = [await inside.boundingBox(), await log.boundingBox()]
    assert.ok(line && frame && line.y >= frame.y && line.y + line.height <= frame.y + frame.height)
    await find('line 250 of many')
    await log.getByText('line 250 of many', { exact: true }).waitFor()
    assert.deepEqual(await barriersOf(page), [])

    // By the keyboard alone: from the log to a number, one line on, and to its address.
    await log.focus()
    await page.keyboard.press('Tab')
    const numberOf = 'document.activeElement.dataset.line'
    const before = Number(await page.evaluate(numberOf))
    await page.keyboard.press('ArrowDown')
    await log.locator(`[data-line="${before + 1}"]:focus`).waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(`line=${before + 2}(&|$)`))
    await page.reload()
    await page.locator(`[data-line="${before + 1}"][aria-current="true"]`).waitFor()

    // An address may name a line and a search that leads elsewhere.
    const elsewhere = new URL(page.url())
    elsewhere.searchParams.set('search', 'line 10 of many')
    await page.goto(elsewhere.href)
    await page.getByText(/^1 of [1-9]/).waitFor()
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
    await page.locator(`[data-line="${before + 1}"][aria-current="true"]`).waitFor()

    const raw = await downloaded(() => page.getByRole('link', { name: 'Download', exact: true }).click())
    assert.match(raw.name, /^run-.*-look\.log$/)
    assert.match(raw.text, /\x1b\[31mred words\x1b\[0m.*\nline 1 of many\n/)
    const file = await downloaded(() => page.getByRole('link', { name: 'report', exact: true }).click())
    assert.equal(file.text.slice(0, 2), 'PK')
    await toTheme(page, 'dark')
    assert.deepEqual(await barriersOf(page), [])
    await toTheme(page, 'light')
    assert.deepEqual(world.visitor.faults, [])
  })

  test('what failed is run again, a run is cancelled, and a test that flickers is marked with its history', async () => {
    const { page } = world.visitor
    await page.getByRole('button', { name: /^flickers/ }).click()
    const dialog = page.getByRole('dialog', { name: 'History' })
    await dialog.getByText('It never both passed and failed').waitFor()
    await dialog.getByText('not this time').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Close' }).click()

    await page.getByRole('button', { name: 'Run failed again' }).click()
    await page.getByRole('button', { name: 'Cancel run' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click()
    const waiting = page.getByRole('link', { name: /^wait.*running/ })
    await waiting.click()

    // Whoever stands on the number of a line keeps it, however many lines come after.
    const log = page.getByRole('region', { name: 'Log: wait' })
    await log
      .getByText(/^still waiting, \d{3}/)
      .first()
      .waitFor() // more than fit into the view
    await log.focus()
    await page.keyboard.press('Tab')
    const number = Number(await page.evaluate('document.activeElement.dataset.line'))
    assert.ok(number > 0)
    const lines = page.getByRole('status').filter({ hasText: / lines$/ })
    while (Number((await lines.textContent())?.replace(/\D/g, '')) < number + 200) await page.waitForTimeout(50)
    assert.equal(await page.evaluate('Number(document.activeElement.dataset.line)'), number)

    await page.getByRole('button', { name: 'Cancel run' }).click()
    await page.getByRole('dialog', { name: 'Cancel this run?' }).getByRole('button', { name: 'Cancel run' }).click()
    await page.locator('header').getByText('cancelled', { exact: true }).waitFor()

    await page.getByRole('button', { name: /^flickers.*flaky for the first time/ }).click()
    await dialog.getByText('It both passed and failed for the same code of one commit.').waitFor()
    await dialog.getByText('passed', { exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()

    await page.getByRole('link', { name: 'Attempt 1' }).click()
    await page.getByRole('button', { name: 'Run again' }).click()
    await page.getByRole('link', { name: 'Attempt 3' }).waitFor()
    assert.deepEqual(world.visitor.faults, [])
  })
})
