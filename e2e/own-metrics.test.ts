import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from './support/example.ts'
import { type Load, startLoad } from './support/load.ts'
import { type Platform, type Repository, repositoryRoot, startPlatform } from './support/platform.ts'

type Shown = { deployment: string; phase: string; outcome: string | null; weightPercent: number; detail: string | null }

describe('a release is judged by metrics of its own', () => {
  let platform: Platform
  let repository: Repository
  let load: Load | null = null
  const directory = mkdtempSync(join(tmpdir(), 'headway-own-metrics-'))
  const example = exampleFiles('own-metrics', 'shop', 1)
  const files = {
    ...example,
    ...changed(
      example,
      'headway.yaml',
      /steps: .*/,
      'steps: [{ weight: 50, min: 1h, max: 2h }, 100]\n  watch: 0s\n  latency: false',
    ),
  }

  before(async () => {
    platform = await startPlatform()
    repository = await platform.repository('shop', files)
    const first = await repository.push()
    assert.match(first.output, /live at/, first.output)
    load = startLoad({ port: platform.edgePort, host: 'shop.localhost', clients: 1000 }, 20)
  })
  after(async () => {
    await load?.stop()
    await platform.destroy()
    rmSync(repository.directory, { recursive: true, force: true })
    rmSync(directory, { recursive: true, force: true })
  })

  const said = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await platform.headway(...words)
    assert.equal(code, 0, `headway ${words.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
  const newest = async (): Promise<Shown | undefined> =>
    (JSON.parse(await said('history', 'shop', '--json')) as Shown[])[0]

  /** How the newest rollout stands once that holds; fails after two minutes. */
  const until = async (holds: (shown: Shown) => boolean): Promise<Shown> => {
    const deadline = Date.now() + 120_000
    for (;;) {
      const shown = await newest()
      if (shown && holds(shown)) return shown
      assert.ok(Date.now() < deadline, `still ${JSON.stringify(shown)}`)
      await delay(250)
    }
  }

  test('one of which payments fail is undone, although each of its answers is a 200', async () => {
    const worse = changed(files, 'src/server.js', /const pay = .*/, "const pay = () => 'failed'")
    await repository.commit('Every payment fails', worse)
    const { output } = await repository.push()
    assert.match(output, /with 50 % of the traffic/, output)
    const ended = await until(({ phase }) => phase === 'ended')
    assert.equal(ended.outcome, 'rolled-back', JSON.stringify(ended))
    assert.match(`${ended.detail}`, /failed-payments: 100 % \(\d+ of \d+\) of the new version, 0 % \(0 of \d+\)/)
    const why = await said('rollout', 'why', 'shop')
    assert.match(why, /judged by errors, restarts, failed-payments/)
    assert.match(why, /recomputed from evidence [0-9a-f]+: the same to the last digit/)
    assert.match((await platform.get('shop.localhost')).body, /^Your payment: paid/)
    await repository.commit('Mended', files)
  })

  test('one whose payments are made goes on, and shows what is known of them', async () => {
    await repository.commit('Better', { ...files, 'README.md': 'better\n' })
    assert.match((await repository.push()).output, /with 50 % of the traffic/)
    const shown = async (): Promise<string> => said('rollout', 'shop', '--once')
    const deadline = Date.now() + 120_000
    for (;;) {
      const screen = await shown()
      if (/failed-payments: new 0 % of \d+, old 0 % of \d+/.test(screen)) break
      assert.ok(Date.now() < deadline, screen)
      await delay(250)
    }
    await said('rollout', 'promote', 'shop')
    assert.equal((await until(({ phase }) => phase === 'ended')).outcome, 'succeeded')
  })

  test('every verdict of these rollouts is recomputed from the exported ledger by a program that shares no code', () => {
    assert.equal(
      spawnSync('python3', ['--version']).status,
      0,
      'python3 is needed: the other program is written in Python',
    )
    const ledger = join(directory, 'ledger.ndjson')
    const exported = spawnSync(join(repositoryRoot, 'headway'), ['ledger', 'export', ledger], {
      env: { ...process.env, HEADWAY_HOME: platform.home },
      encoding: 'utf8',
    })
    assert.equal(exported.status, 0, exported.stderr)
    const program = join(repositoryRoot, 'docs/recompute-verdicts.py')
    const { status, stdout, stderr } = spawnSync('python3', [program, ledger, join(platform.home, 'blobs/evidence')], {
      encoding: 'utf8',
    })
    assert.match(stdout, /: fail \(own:failed-payments/, stdout)
    assert.match(stdout, /^[1-9]\d* verdicts? recomputed, 0 differ$/m, `${stdout}${stderr}`)
    assert.equal(status, 0)
  })
})
