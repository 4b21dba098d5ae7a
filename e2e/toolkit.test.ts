import assert from 'node:assert/strict'
import { globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { execute, type Platform, startPlatform } from './support/platform.ts'

/** The clients that actions bring along, as they are published. */
const packages = [
  '@actions/artifact@6.2.1',
  '@actions/cache@6.3.0',
  '@actions/core@3.0.1',
  'cache3@npm:@actions/cache@3.2.4',
]

const manifest = `
name: kit
inputs: { do: { required: true } }
outputs: { artifact: { description: its number }, audience: { description: of the identity } }
runs: { using: node24, main: index.mjs }
`

const action = `
import { DefaultArtifactClient } from '@actions/artifact'
import * as cache from '@actions/cache'
import * as older from 'cache3'
import * as core from '@actions/core'
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const artifacts = new DefaultArtifactClient()
const leave = async () => {
  mkdirSync('out/sub', { recursive: true })
  writeFileSync('out/a.txt', 'hello')
  writeFileSync('out/sub/large', Buffer.alloc(40_000_000, 'x'))
  const left = await artifacts.uploadArtifact('from-kit', ['out/a.txt', 'out/sub/large'], 'out', { retentionDays: 3, compressionLevel: 0 })
  core.setOutput('artifact', left.id)
  await assert.rejects(artifacts.uploadArtifact('from-kit', ['out/a.txt'], 'out'), /already exists/)
  await artifacts.uploadArtifact('gone', ['out/a.txt'], 'out')
  await artifacts.deleteArtifact('gone')
  assert.equal(cache.isFeatureAvailable(), true)
  const hit = await cache.restoreCache(['out'], 'kit-none', ['kit-'])
  core.info('restored ' + hit)
  if (!hit) assert.notEqual(await cache.saveCache(['out'], 'kit-1'), -1)
  assert.equal(await cache.saveCache(['out'], 'kit-1'), -1)
  assert.equal(await older.restoreCache(['out'], 'older-none', ['older-']), undefined)
  assert.notEqual(await older.saveCache(['out'], 'older-1', { uploadChunkSize: 1_000_000 }), -1)
  const token = await core.getIDToken('somebody')
  const [header, payload, signature] = token.split('.')
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString())
  const { iss, aud, sub, repository, environment } = read(payload)
  const discovery = await (await fetch(iss + '/.well-known/openid-configuration')).json()
  const { keys } = await (await fetch(discovery.jwks_uri)).json()
  const key = createPublicKey({ key: keys.find(({ kid }) => kid === read(header).kid), format: 'jwk' })
  assert.ok(verify('sha256', Buffer.from(header + '.' + payload), key, Buffer.from(signature, 'base64url')))
  assert.deepEqual([sub, repository, environment], ['repo:default/shop:ref:refs/heads/main', 'default/shop', undefined])
  core.setOutput('audience', aud)
  await core.summary.addHeading('Kit').write()
}
const take = async () => {
  const { artifact } = await artifacts.getArtifact('from-kit')
  const { downloadPath, digestMismatch } = await artifacts.downloadArtifact(artifact.id, { path: 'in', expectedHash: artifact.digest })
  assert.equal(digestMismatch, false)
  assert.equal(readFileSync(downloadPath + '/a.txt', 'utf8'), 'hello')
  assert.equal(readFileSync(downloadPath + '/sub/large').length, 40_000_000)
  assert.deepEqual((await artifacts.listArtifacts({ latest: true })).artifacts.map(({ name }) => name), ['from-kit'])
  rmSync('out', { recursive: true, force: true })
  assert.equal(await cache.restoreCache(['out'], 'kit-none', ['kit-']), 'kit-1')
  assert.equal(readFileSync('out/a.txt', 'utf8'), 'hello')
  rmSync('out', { recursive: true, force: true })
  assert.equal(await older.restoreCache(['out'], 'older-none', ['older-']), 'older-1')
  assert.equal(readFileSync('out/sub/large').length, 40_000_000)
  await assert.rejects(core.getIDToken('somebody'), /ACTIONS_ID_TOKEN_REQUEST/)
}
await (core.getInput('do') === 'leave' ? leave() : take()).catch((error) => core.setFailed(error.stack))
`

const workflow = `
on: push
permissions: { contents: read }
jobs:
  leave:
    runs-on: ubuntu-latest
    permissions: { id-token: write }
    outputs: { artifact: "\${{ steps.kit.outputs.artifact }}", audience: "\${{ steps.kit.outputs.audience }}" }
    steps:
      - id: kit
        uses: default/kit@main
        with: { do: leave }
  take:
    needs: leave
    runs-on: ubuntu-latest
    steps:
      - uses: default/kit@main
        with: { do: take }
      - uses: actions/download-artifact@v4
        with: { name: from-kit, path: again }
      - run: |
          test "$(cat again/a.txt)" = hello
          test "\${{ needs.leave.outputs.audience }}" = somebody
          test "\${{ needs.leave.outputs.artifact }}" -gt 0
          test -z "$ACTIONS_RUNTIME_TOKEN$ACTIONS_RESULTS_URL"
  reach:
    runs-on: ubuntu-latest
    permissions: { contents: write, actions: read }
    env: { TOKEN: "\${{ github.token }}" }
    steps:
      - run: |
          header="AUTHORIZATION: basic $(printf x-access-token:$TOKEN | base64 -w0)"
          git -c http.extraheader="$header" clone -q "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" copy
          cd copy
          git -c user.name=job -c user.email=job@example.com commit -q --allow-empty -m 'From a job'
          git -c http.extraheader="$header" push -q origin HEAD:refs/heads/from-a-job
          ! git -c http.extraheader="$header" ls-remote -q "$GITHUB_SERVER_URL/default/kit"
      - run: |
          status() { curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $TOKEN" "$GITHUB_API_URL$1"; }
          test "$(status /projects/default/runs/$GITHUB_RUN_ID)" = 200
          test "$(status /projects/default/settings)" = 403
          test "$(status /me)" = 403
  elsewhere:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { repository: default/kit, path: kit, token: "\${{ secrets.KIT }}", ref: main, sparse-checkout: nowhere }
      - run: |
          test -f kit/action.yml && test ! -e kit/node_modules
          test "$(git -C kit rev-list --count HEAD)" = 1
          git -C kit fetch -q origin
      - id: closed
        continue-on-error: true
        uses: actions/checkout@v4
        with: { repository: default/kit, path: closed }
      - run: test "\${{ steps.closed.outcome }}" = failure
  submodules:
    runs-on: ubuntu-latest
    permissions: { contents: write }
    steps:
      - uses: actions/checkout@v4
      - uses: actions/checkout@v4
        with: { repository: default/kit, path: kit, token: "\${{ secrets.KIT }}" }
      - run: |
          commit=$(git -C kit rev-parse HEAD)
          rm -rf kit
          git config -f .gitmodules submodule.part.path part
          git config -f .gitmodules submodule.part.url ../kit.git
          git add .gitmodules
          git update-index --add --cacheinfo "160000,$commit,part"
          git -c user.name=job -c user.email=job@example.com commit -q -m 'With a part'
          git push -q origin HEAD:refs/heads/with-a-part
      - uses: actions/checkout@v4
        with: { ref: with-a-part, path: whole, submodules: true, token: "\${{ secrets.KIT }}" }
      - run: |
          test -f whole/part/action.yml
          git -C whole/part fetch -q origin
      - id: closed
        continue-on-error: true
        uses: actions/checkout@v4
        with: { ref: with-a-part, path: closed, submodules: recursive }
      - run: test "\${{ steps.closed.outcome }}" = failure && test ! -e closed/part/action.yml
  read-only:
    runs-on: ubuntu-latest
    env: { TOKEN: "\${{ github.token }}" }
    steps:
      - run: |
          header="AUTHORIZATION: basic $(printf x-access-token:$TOKEN | base64 -w0)"
          git -c http.extraheader="$header" clone -q "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" copy
          ! git -C copy -c http.extraheader="$header" push -q origin HEAD:refs/heads/forbidden
          test "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $TOKEN" "$GITHUB_API_URL/projects/default/runs")" = 403
`

const takingFrom = (run: string): string => `
on: push
permissions: { actions: read }
jobs:
  take:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: { name: from-kit, run-id: ${run}, github-token: "\${{ github.token }}" }
      - run: test "$(cat a.txt)" = hello
  refused:
    runs-on: ubuntu-latest
    permissions: {}
    steps:
      - id: take
        continue-on-error: true
        uses: actions/download-artifact@v4
        with: { name: from-kit, run-id: ${run}, github-token: "\${{ github.token }}" }
      - run: test "\${{ steps.take.outcome }}" = failure
`

describe("the official toolkit's own clients, in an action of this host", () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.destroy())

  test('leave and take artifacts, save and restore caches, and prove who their job is; a token reaches as far as it may', {
    timeout: 600_000,
  }, async () => {
    const kit = await platform.repository('kit')
    const installed = await execute(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], {
      cwd: kit.directory,
    })
    assert.equal(installed.code, 0, installed.stderr)
    // What is only for people who write programs: three quarters of it.
    rmSync(join(kit.directory, 'node_modules/typescript'), { recursive: true, force: true })
    for (const file of globSync('node_modules/**/*.{map,ts,mts,cts}', { cwd: kit.directory }))
      rmSync(join(kit.directory, file))
    await kit.commit('Kit', { 'action.yml': manifest, 'index.mjs': action, '.gitignore': '' })
    const published = await kit.push()
    rmSync(kit.directory, { recursive: true, force: true })
    assert.equal(published.code, 0, published.output)

    await platform.headway('user', 'add', 'vera')
    await platform.headway('user', 'role', 'vera', 'viewer', '--project', 'default')
    const token = JSON.parse((await platform.headway('token', 'create', '--user', 'vera', '--json')).stdout).secret
    await platform.setSecret('KIT', token)
    const shop = await platform.repository('shop', { '.github/workflows/ci.yml': workflow })
    const pushed = await shop.push()
    rmSync(shop.directory, { recursive: true, force: true })
    const runs = JSON.parse((await platform.headway('runs', '--repository', 'shop', '--json')).stdout)
    const [run] = runs
    const logs = await platform.headway('runs', run.run, '--log')
    assert.equal(run.conclusion, 'success', `${pushed.output}\n${logs.stdout}`)
    assert.deepEqual(runs.length, 1, 'what a job pushes starts no run')

    const listed = JSON.parse((await platform.headway('artifacts', 'list', run.run, '--json')).stdout)
    assert.deepEqual(
      listed.map(({ name, job }: { name: string; job: string }) => [name, job]),
      [['from-kit', 'leave']],
    )
    const to = join(platform.home, 'down')
    const downloaded = await platform.headway('artifacts', 'download', run.run, '--to', to, '--json')
    assert.deepEqual(JSON.parse(downloaded.stdout), [join(to, 'from-kit.zip')])
    const shown = await platform.headway('runs', 'artifacts', run.run)
    assert.match(shown.stdout, /from-kit +leave +40\.0 MB/)

    const later = await platform.repository('shop')
    await later.git('pull', '-q', 'headway', 'main')
    await later.commit('Takes from another run', { '.github/workflows/ci.yml': takingFrom(run.run) })
    const again = await later.push()
    rmSync(later.directory, { recursive: true, force: true })
    const [second] = JSON.parse((await platform.headway('runs', '--repository', 'shop', '--json')).stdout)
    const told = await platform.headway('runs', second.run, '--log')
    assert.equal(second.conclusion, 'success', `${again.output}\n${told.stdout}`)
  })
})
