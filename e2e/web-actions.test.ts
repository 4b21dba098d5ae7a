import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { barriersOf, cutTablesOf, toTheme, type Visitor, visitAs } from './support/browser.ts'
import { exampleFiles } from './support/example.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const hostile = '<img src=x onerror=alert(1)> \u202eevil'
const byHand = `name: By hand
on:
  workflow_dispatch:
    inputs:
      word: { required: true, description: 'What it says \u202eevil' }
      level: { type: choice, options: [low, high], default: high }
      times: { type: number, default: 2 }
      again: { type: boolean, default: true }
      workflow: { type: environment }
jobs:
  say:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/cache@v4
        with: { path: kept, key: 'kept-\${{ inputs.word }}' }
      - run: mkdir -p kept && echo "it said [$WORD $REST]" | tee kept/word
        env:
          WORD: \${{ inputs.word }}
          REST: \${{ inputs.level }} \${{ inputs.times == 4 }} \${{ inputs.again }} \${{ inputs.workflow }}
`

describe('what is ordered on the web besides the loop', { concurrency: 1 }, () => {
  let world: WebWorld
  let vera: Visitor
  before(async () => {
    world = await openWebWorld({
      files: { '.github/workflows/by-hand.yml': byHand },
      users: { vera: 'viewer' },
    })
    const pushed = await world.shop.push()
    assert.equal(pushed.code, 0, pushed.output)
    vera = await visitAs(world.browser, world.platform, 'vera')
  })
  after(() => world?.close())
  /** What the web refuses on purpose is told by the console, too; the rest is a fault. */
  const noFaults = (visitor: Visitor): void => assert.deepEqual(visitor.faults, [])
  const offered = async (visitor: Visitor, names: readonly (string | RegExp)[]): Promise<string[]> => {
    const main = visitor.page.locator('main')
    const counts = await Promise.all(names.map((name) => main.getByRole('button', { name }).count()))
    return names.flatMap((name, at) => (counts[at] === 0 ? [] : [String(name)]))
  }

  test('a workflow is started by hand with its inputs, and what it put aside is listed and forgotten', async () => {
    const { admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    await admin.go('/projects/default/runs', 'First version')
    await page.getByRole('button', { name: 'Start by hand' }).click()
    await dialog.getByLabel('Workflow', { exact: true }).selectOption('by-hand.yml')
    await dialog.getByText('What it says ⟨202E⟩evil').waitFor()
    const said = async (name: string) => dialog.getByLabel(name, { exact: true }).inputValue()
    assert.deepEqual([await said('level'), await said('times')], ['high', '2'])
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByLabel('Branch or tag').fill('nowhere')
    await dialog.getByText('There is no such branch or tag').waitFor()
    await dialog.getByLabel('Branch or tag').fill('main')
    await dialog.getByLabel('word').fill('loud')
    await dialog.getByLabel('times').fill('4')
    await dialog.getByLabel('again').uncheck()
    await dialog.getByLabel('workflow', { exact: true }).fill('staging')
    const level = dialog.getByLabel('level', { exact: true })
    // What was an option when the dialog was opened.
    await page.evaluate(`document.querySelector('select[name="input:level"]').add(new Option('gone'))`)
    await level.selectOption('gone')
    await dialog.getByRole('button', { name: 'Start' }).click()
    await dialog.getByText('Input level must be one of low, high, not "gone"').waitFor()
    assert.equal(await level.getAttribute('aria-invalid'), 'true')
    const refused = admin.faults.splice(0).filter((fault) => !fault.startsWith('console: Failed to load resource'))
    assert.deepEqual(
      refused.map((fault) => fault.replace(/ .*\/api/, ' ')),
      ['422 /v1/projects/default/repositories/shop/workflows/by-hand.yml/dispatches'],
    )
    await level.selectOption('low')
    await dialog.getByRole('button', { name: 'Start' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('Started. Its run').waitFor()
    await page.getByRole('row', { name: 'By hand' }).getByRole('link').click()
    await page.getByText('passed', { exact: true }).first().waitFor()
    await page.getByText('it said [loud low true false staging]').first().waitFor()

    await admin.go('/settings?tab=data', 'kept-loud')
    assert.deepEqual(await barriersOf(page), [])
    await page.getByRole('button', { name: /^Remove cache/ }).click()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('No job has put anything aside yet').waitFor()
    noFaults(admin)
    await vera.go('/projects/default/runs', 'By hand')
    assert.deepEqual(await offered(vera, ['Start by hand']), [])
  })

  test('a repository is made and protected, and what its changes and those of others must have is said', async () => {
    const { platform, admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    await admin.go('/settings?tab=repositories', 'New repository')
    await page.getByLabel('Name').fill('tools')
    await page.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText(`/git/default/tools.git HEAD:main`).waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Protect tools' }).click()
    await dialog.getByLabel('Branches that cannot be deleted').fill('main, stable')
    await dialog.getByLabel('Who pushes there').selectOption('nobody')
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('cell', { name: 'main, stable' }).waitFor()
    await page.getByRole('cell', { name: 'nobody: changes only' }).waitFor()

    // The project's first: one that is said for a repository holds whatever the project says.
    await page.getByRole('button', { name: 'Rules', exact: true }).click()
    await dialog.getByLabel('Approvals').fill('2')
    await dialog.getByLabel('How it is merged').selectOption('squash')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('squashed into one commit').waitFor()
    await page.getByRole('button', { name: 'Rules tools' }).click()
    assert.equal(await dialog.getByLabel('Approvals').inputValue(), '2')
    await dialog.getByLabel('Checks that must succeed').selectOption('these')
    await dialog.getByLabel('Which').fill(`ci / test\n${hostile}`)
    await dialog.getByRole('checkbox', { name: 'Nothing is merged while' }).check()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    const rules = { approvals: 2, keepApprovals: false, holdOnRed: false, method: 'squash', trustDevelopers: false }
    const told = async (...of: string[]) =>
      JSON.parse((await platform.headway('changes', 'rules', ...of, '--json')).stdout)
    assert.deepEqual(await told('--repository', 'tools'), {
      ...{ ...rules, holdOnRed: true },
      requiredChecks: ['ci / test', hostile],
    })
    assert.deepEqual(await told('--repository', 'shop'), { ...rules, requiredChecks: null })
    // One option of the project's leaves the others as they are.
    assert.deepEqual(await told('--whole-project', '--hold-on-red', 'yes'), {
      ...{ ...rules, holdOnRed: true },
      requiredChecks: null,
    })
    noFaults(admin)

    await vera.go('/settings?tab=repositories', 'nobody: changes only')
    assert.deepEqual(await offered(vera, ['Create', 'Save', /^Protect/]), [])
    await vera.page.getByRole('button', { name: 'Rules tools' }).click()
    await vera.page.getByRole('dialog').getByText('⟨202E⟩').waitFor()
    assert.deepEqual(await barriersOf(vera.page), [])
    assert.equal(await vera.page.locator('dialog img').count(), 0)
    noFaults(vera)
  })

  test('the runner of the server gets labels, the ledger is signed, exported and verified against what was kept', async () => {
    const { admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    await admin.go('/settings?tab=runners', 'ubuntu-*')
    await page.getByRole('button', { name: /^Labels/ }).click()
    await dialog.getByLabel('Labels, with commas between').fill('GPU, large')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText('gpu, large').waitFor()

    await admin.go('/ledger', 'runner.labelled')
    await page.getByRole('button', { name: 'Checkpoint', exact: true }).click()
    const checkpoint = (await dialog.locator('pre').textContent()) ?? ''
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Verify against a checkpoint' }).click()
    await dialog.getByLabel('The checkpoint').fill('not one')
    await dialog.getByRole('button', { name: 'Verify' }).click()
    await dialog.getByText('this is not the JSON of a checkpoint').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByLabel('The checkpoint').fill(checkpoint)
    await dialog.getByRole('button', { name: 'Verify' }).click()
    await page.getByText(/^Whole: .* facts/).waitFor()
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export' }).click(),
    ])
    assert.equal(file.suggestedFilename(), 'ledger.ndjson')
    const lines = readFileSync(await file.path(), 'utf8')
      .trim()
      .split('\n')
    const { seq } = JSON.parse(checkpoint)
    assert.ok(lines.length >= seq, `${lines.length} lines, and the checkpoint stands at ${seq}`)
    noFaults(admin)
    assert.equal(await vera.page.getByRole('link', { name: 'Export' }).count(), 0)
  })

  test('databases are copied, the way back is told, all of Headway is taken; a service goes once it is named twice', async () => {
    const { platform, admin } = world
    const { page } = admin
    const dialog = page.getByRole('dialog')
    const files = exampleFiles('static', 'notes', 1)
    const kept = await platform.repository('notes', {
      ...files,
      'headway.yaml': `${files['headway.yaml']}database: postgres\n`,
    })
    try {
      const { code, output } = await kept.push()
      assert.equal(code, 0, output)
    } finally {
      rmSync(kept.directory, { recursive: true, force: true })
    }
    await admin.go('/settings?tab=data', 'in use')
    await page.getByRole('button', { name: 'Commands notes production' }).click()
    await dialog.getByText('headway db psql notes --environment production').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Back up now' }).click()
    await page.getByRole('button', { name: /^Restore/ }).click()
    await dialog.getByText(/headway db restore (\S+) --confirm \1/).waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Close' }).click()
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download a backup' }).click(),
    ])
    assert.equal(file.suggestedFilename(), 'headway-backup.tar.gz')
    assert.deepEqual([...readFileSync(await file.path()).subarray(0, 2)], [0x1f, 0x8b])

    await vera.go('/projects/default/services/notes', 'production')
    assert.deepEqual(await offered(vera, ['Remove service']), [])
    await admin.go('/projects/default/services/notes', 'production')
    await page.getByRole('button', { name: 'Remove service' }).click()
    await dialog.getByLabel('Type notes to confirm').fill('shop')
    await dialog.getByRole('button', { name: 'Remove service' }).click()
    await dialog.getByText('this is not notes').waitFor()
    assert.deepEqual(await barriersOf(page), [])
    await dialog.getByLabel('Type notes to confirm').fill('notes')
    await dialog.getByRole('button', { name: 'Remove service' }).click()
    await page.getByRole('heading', { name: 'Services' }).waitFor()
    await page.getByRole('link', { name: 'notes', exact: true }).waitFor({ state: 'detached' })
    await admin.go('/settings?tab=data', 'not in use')
    await page.getByRole('button', { name: 'Remove notes production' }).click()
    await dialog.getByLabel('Type notes to confirm').fill('notes')
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('None yet: write database: postgres').waitFor()
    noFaults(admin)
    await vera.go('/settings?tab=data', 'Caches of pipelines')
    assert.deepEqual(await offered(vera, [/^Remove/, /^Commands/, 'Back up now']), [])
    noFaults(vera)
  })

  test('these pages are without a barrier in both themes, and fit a phone and a wall', async () => {
    const { admin } = world
    const { page } = admin
    const found: string[] = []
    for (const [path, shows] of [
      ['/settings?tab=repositories', 'New repository'],
      ['/settings?tab=data', 'All of Headway'],
      ['/ledger', 'runner.labelled'],
    ] as const)
      for (const [width, colorScheme, rules] of [
        [360, 'dark', undefined],
        [2560, 'light', ['color-contrast']],
      ] as const) {
        await page.setViewportSize({ width, height: 900 })
        await toTheme(page, colorScheme)
        await admin.go(path, shows)
        found.push(...(await barriersOf(page, rules)).map((barrier) => `${path}, ${colorScheme}: ${barrier}`))
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        if (over > 0) found.push(`${path}: ${over} px too wide for ${width} px`)
        found.push(...(await cutTablesOf(page)).map((cut) => `${path}, ${width} px: ${cut}`))
      }
    assert.deepEqual([...found, ...admin.faults], [])
  })
})
