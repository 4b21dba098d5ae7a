import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { barriersOf } from './support/browser.ts'
import { openWebWorld, type WebWorld } from './support/web-world.ts'

const project = '/projects/default'
/** A form: the page that it is on, what opens it (null: it stands on the page), the button that sends it, and what is typed. */
type Asked = readonly [
  path: string,
  shows: string,
  opens: string | null,
  sends: string,
  typed: Readonly<Record<string, string>>,
]

const long = 'x'.repeat(200)
const hostile = '<script>alert(1)</script> ../x \u202eevil'
const asked: readonly Asked[] = [
  ['/settings?tab=users', 'Add a user', null, 'Add', { Name: 'ada' }],
  ['/settings?tab=tokens', 'New token', null, 'Create', { Name: 'ci' }],
  ['/settings?tab=runners', 'Heard', null, 'Create', { Name: 'build-2', Labels: 'gpu' }],
  ['/settings?tab=runners', 'Heard', 'Labels', 'Save', { 'Labels, with commas between': 'gpu, large' }],
  ['/settings?tab=repositories', 'New repository', null, 'Create', { Name: 'tools' }],
  ['/settings?tab=secrets', 'No value is ever shown', null, 'Set', { Name: 'KEY', Value: hostile }],
  ['/settings?tab=actions', 'Actions of others', null, 'Bring', { Action: 'octo/tool' }],
  ['/settings?tab=environments', 'production', 'Rules production', 'Save', { 'Off the table after': '3d' }],
  ['/settings?tab=environments', 'production', 'Freeze production', 'Freeze', { Why: hostile }],
  ['/settings?tab=you', 'Password', null, 'Set password', { 'New password': 'correct horse battery' }],
  [`${project}/incidents`, 'Open an incident', 'Open an incident', 'Open an incident', { 'In a few words': hostile }],
  [
    `${project}/insights?tab=toil`,
    'Write down',
    null,
    'Write down',
    { 'What was done by hand': hostile, Minutes: '5' },
  ],
  [`${project}/insights?tab=calms`, 'Ask people', 'Ask people', 'Ask people', { 'Links, one for each person': '7' }],
]

const problem = (status: number) => ({
  ...{ status, contentType: 'application/problem+json' },
  body: JSON.stringify({
    ...{ type: 'urn:headway:problem:tried', title: 'no', status, detail: `refused ${hostile}` },
    next: 'do it in another way',
  }),
})
/** What may answer instead, and what is told then. */
const answers = [
  ['409', problem(409), /refused <script>.*do it in another way/s],
  ['403', problem(403), /refused <script>.*do it in another way/s],
  ['503', { status: 503, contentType: 'text/html', body: '<html><h1>Bad</h1></html>' }, /answered with 503/],
  ['nobody', null, /The server does not answer/],
] as const

describe('forms of the web that are refused', { concurrency: 1 }, () => {
  let world: WebWorld
  before(async () => {
    world = await openWebWorld()
    await world.ask('PUT', `${project}/repositories/shop`)
  })
  after(() => world?.close())

  const formIn = (page: Page, opens: string | null, sends: string): Locator =>
    (opens === null ? page.locator('main form') : page.getByRole('dialog').locator('form'))
      .filter({ has: page.getByRole('button', { name: sends, exact: true }) })
      .first()

  for (const [path, shows, opens, sends, typed] of asked)
    test(`${path}: ${opens ?? sends} tells each refusal in the form, and loses nothing that was typed`, async () => {
      const { page, faults, go } = world.admin
      await go(path, shows)
      if (opens !== null) await page.getByRole('main').getByRole('button', { name: opens }).first().click()
      const form = formIn(page, opens, sends)
      for (const [label, text] of Object.entries(typed)) await form.getByLabel(label, { exact: true }).fill(text)
      for (const [name, answer, told] of answers) {
        await page.route(
          (url) => url.pathname.startsWith('/api/v1/'),
          (route) =>
            route.request().method() === 'GET'
              ? route.fallback()
              : answer === null
                ? route.abort('connectionrefused')
                : route.fulfill(answer),
        )
        await form.getByRole('button', { name: sends, exact: true }).click()
        const alert = form.getByRole('alert').filter({ hasText: told })
        await alert.waitFor()
        assert.equal(await page.locator('dialog script, main script').count(), 0)
        if (name === '409') assert.deepEqual(await barriersOf(page), [])
        for (const [label, text] of Object.entries(typed))
          assert.equal(await form.getByLabel(label, { exact: true }).inputValue(), text, `${label} after ${name}`)
        await page.unrouteAll({ behavior: 'wait' })
      }
      faults.length = 0
    })

  test('what is too long, empty or no name is not sent, and the field says so', async () => {
    const { page, faults, go } = world.admin
    const sent: string[] = []
    page.on('request', (request) => request.method() !== 'GET' && sent.push(request.url()))
    for (const name of ['', '../x', '<script>', 'a b', '\u202eevil', '-x']) {
      await go('/settings?tab=repositories', 'New repository')
      const form = formIn(page, null, 'Create')
      await form.getByLabel('Name').fill(name)
      await form.getByRole('button', { name: 'Create' }).click()
      assert.equal(await form.locator('input[name=repository]:invalid').count(), 1, name)
      assert.equal(await form.getByLabel('Name').inputValue(), name)
    }
    assert.deepEqual([sent, faults], [[], []])
  })

  test('the server says of what a browser lets pass at which field it is wrong', async () => {
    const { page, faults, go } = world.admin
    await go('/settings?tab=environments', 'production')
    await page.getByRole('button', { name: 'Calendar production' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Plan a freeze' }).click()
    await dialog.getByLabel('Why').fill(long)
    const until = await dialog.getByLabel('From').inputValue()
    await dialog.getByLabel('Until').fill(until)
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByRole('alert').waitFor()
    assert.equal(await dialog.getByLabel('Why').inputValue(), long)
    assert.deepEqual(await barriersOf(page), [])
    faults.length = 0
  })
})
