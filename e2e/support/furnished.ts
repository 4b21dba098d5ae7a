import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { tokenOf } from './browser.ts'
import { changed, exampleFiles } from './example.ts'
import { type Load, startLoad } from './load.ts'
import { type Platform, type Repository, startPlatform } from './platform.ts'

/** A page of the web: where it is, and a text that stands there once it is there. */
export type Place = { readonly name: string; readonly path: string; readonly shows: string }

/** A Headway in which the pages of the web have something to show. */
export type Furnished = {
  readonly platform: Platform
  readonly repository: Repository
  readonly load: Load
  readonly places: readonly Place[]
  /** Commits these files with what `headway.yaml` says of the release, and pushes; resolves once a canary of it has traffic. */
  release(message: string, files: Record<string, string>, steps?: string): Promise<string>
  /** What the API answers to the administrator. */
  ask(method: string, path: string, body?: unknown): Promise<ReturnType<typeof JSON.parse>>
  destroy(): Promise<void>
}

const minuteMs = 60_000
const dayMs = 86_400_000
const project = '/projects/default'
/** So long that a person, or a test, ends each step. */
const patient = '{ weight: 10, min: 20m, max: 40m }, { weight: 50, min: 20m, max: 40m }, 100'

/**
 * A service under load in production with a canary at 10 %, a change that waits for review, a run that failed, an incident, records of
 * another system, users of each role, webhooks both ways and a runner's token. `called` is what the incident and the change are called: something hostile, where nothing is said.
 */
export const furnish = async (called = hostile): Promise<Furnished> => {
  const platform = await startPlatform()
  const files = exampleFiles('node', 'shop', 2)
  const repository = await platform.repository('shop', files)
  const ask: Furnished['ask'] = async (method, path, body) => {
    const answer = await fetch(`${platform.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${tokenOf(platform)}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${text}`)
    return JSON.parse(text)
  }
  const release: Furnished['release'] = async (message, more, steps = patient) => {
    const yaml = `${(files['headway.yaml'] ?? '').trimEnd()}\nrelease: { steps: [${steps}], watch: 0s }\n`
    const commit = await repository.commit(message, { ...more, 'headway.yaml': yaml })
    const pushed = await repository.push()
    assert.equal(pushed.code, 0, pushed.output)
    return commit
  }
  const first = await repository.push()
  assert.match(first.output, /live at/, first.output)
  const load = startLoad({ port: platform.edgePort, host: 'shop.localhost', clients: 500 }, 40)
  try {
    for (const role of ['viewer', 'developer', 'operator'])
      await ask('POST', '/users', { user: role, role, project: 'default' })
    await ask('POST', '/users', { user: 'administrator', role: 'administrator' })
    await ask('POST', `${project}/events?source=elsewhere`, history(Date.now()))
    const { incident } = await ask('POST', `${project}/incidents`, {
      ...{ title: called, service: 'shop', environment: 'production' },
    })
    await repository.git('checkout', '--quiet', '-b', 'louder')
    await repository.commit(`Say it louder ${called}`, changed(files, 'src/page.js', /Hello/, 'HELLO'))
    await repository.push(['louder', '-o', 'change'])
    await repository.git('checkout', '--quiet', 'main')
    await release('Say hello again', changed(files, 'src/page.js', /Hello/, 'Hello again'))
    return { platform, repository, load, release, ask, places: await placesOf(ask, incident), destroy }
  } catch (error) {
    await destroy()
    throw error
  }
  async function destroy(): Promise<void> {
    await load.stop()
    await platform.destroy()
    rmSync(repository.directory, { recursive: true, force: true })
  }
}

const hostile = '<img src=x onerror=alert(1)> \u202eevil\u202c'

const placesOf = async (ask: Furnished['ask'], incident: string): Promise<readonly Place[]> => {
  const { runs } = await ask('GET', `${project}/runs`)
  const [newest] = await ask('GET', `${project}/rollouts`)
  const [deployment] = await ask('GET', `${project}/insights/deployments?environment=production`)
  const at = (name: string, path: string, shows: string): Place => ({ name, path: `${project}${path}`, shows })
  const settings = (tab: string, shows: string): Place => ({
    ...{ name: `settings-${tab}`, path: `/settings?tab=${tab}`, shows },
  })
  return [
    at('loop', '', 'The loop now'),
    at('services', '/services', 'shop'),
    at('service', '/services/shop', 'Golden signals'),
    at('service-logs', '/services/shop?tab=logs', 'Logs'),
    at('service-releases', '/services/shop?tab=releases', 'Runs in'),
    at('service-history', '/services/shop?tab=history', 'Lead time'),
    at('service-migrations', '/services/shop?tab=migrations', 'No release has run a migration'),
    at('service-file', '/services/shop?tab=file', 'What headway.yaml stands for'),
    at('rollouts', '/rollouts', 'Under way'),
    at('rollout', `/rollouts/${newest.deployment}`, 'What happened'),
    at('runs', '/runs', 'First version'),
    at('runs-tests', '/runs?tab=tests', 'greets the visitor'),
    at('run', `/runs/${runs[0].run}`, 'Jobs'),
    at('changes', '/changes', 'Say it louder'),
    at('change', '/changes/shop/1', 'louder'),
    at('change-files', '/changes/shop/1?tab=files', 'src/page.js'),
    at('previews', '/previews', 'shop'),
    at('incidents', '/incidents', 'evil'),
    at('incident', `/incidents/${encodeURIComponent(incident)}`, 'Timeline'),
    at('insights', '/insights', 'Change lead time'),
    at('insights-flow', '/insights?tab=flow', 'Flow'),
    at('insights-days', `/insights?from=${dayBefore(40)}&to=${dayBefore(1)}&zone=America/New_York`, 'Change lead time'),
    at('insights-calms', '/insights?tab=calms', 'Culture'),
    at('insights-toil', '/insights?tab=toil', 'What to automate first'),
    at('insights-digest', '/insights?tab=digest', 'the week until'),
    at('deployment', `/insights/deployment?name=${encodeURIComponent(deployment.deployment)}`, 'Its commits'),
    { name: 'ledger', path: '/ledger', shows: 'deployment.finished' },
    settings('you', 'Password'),
    settings('tokens', 'New token'),
    settings('users', 'Add a user'),
    settings('runners', 'Heard'),
    settings('environments', 'production'),
    settings('repositories', 'Rules of all other repositories'),
    settings('secrets', 'No value is ever shown again'),
    settings('actions', 'Actions of others'),
    settings('webhooks', 'What they told of late'),
    settings('data', 'Caches of pipelines'),
    settings('import', 'Deployments from the tags'),
  ]
}

const dayBefore = (days: number): string => new Date(Date.now() - days * dayMs).toISOString().slice(0, 10)

/** Six deployments of a service that another system makes, a day apart; the third had an incident. */
const history = (now: number) => [
  ...[1, 2, 3, 4, 5, 6].map((number) => {
    const finishedAt = now - (8 - number) * dayMs
    return {
      ...{ type: 'deployment', id: `stock-${number}`, service: 'stock', environment: 'production', finishedAt },
      ...{ startedAt: finishedAt - minuteMs, outcome: 'succeeded', revision: `v${number}`, kind: 'planned' },
      commits: [{ commit: `${number}`.repeat(40), at: finishedAt - 60 * minuteMs, repository: 'octo/stock' }],
    }
  }),
  {
    ...{ type: 'incident', id: 'stock-down', service: 'stock', environment: 'production', state: 'opened' },
    ...{ at: now - 5 * dayMs + 10 * minuteMs, title: 'stock is down', causedBy: 'stock-3' },
  },
  {
    ...{ type: 'incident', id: 'stock-down', service: 'stock', environment: 'production', state: 'resolved' },
    ...{ at: now - 5 * dayMs + 40 * minuteMs, title: 'stock is down' },
  },
]
