import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Certificate, certificateFor } from '../../api/tls.ts'
import { systemClock } from '../../clock.ts'
import { homeAt } from '../../home.ts'
import type { Build } from '../index.ts'
import { openTestBuild, type TestBuild } from '../testing.ts'

/** A build stage whose jobs reach its services on a free port. */
const openServedBuild = async (certificate: Certificate | null = null): Promise<TestBuild> => {
  const held: { build?: Build } = {}
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    held.build?.results.handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)))
    })
  }
  const server = certificate ? createTlsServer(certificate, answer) : createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const opened = await openTestBuild({ serverUrl: () => url, certificate: certificate?.cert ?? null })
  held.build = opened.build
  return {
    ...opened,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const passes = async (opened: TestBuild, workflow: string, ...jobs: string[]): Promise<string> => {
  const pushed = await opened.push({ '.github/workflows/ci.yml': workflow })
  const verified = await opened.verified(pushed)
  const logs = await Promise.all(jobs.map((job) => opened.log(pushed, job)))
  const log = logs.flat().join('\n')
  assert.equal(verified.conclusion, 'success', `${JSON.stringify(verified.failure)}\n${log}`)
  return log
}

test('what one job uploads another downloads: globs, excludes, hidden files, links, one or all, merged or not', async () => {
  await using opened = await openServedBuild()
  const log = await passes(
    opened,
    `
on: push
jobs:
  make:
    runs-on: x
    outputs: { id: "\${{ steps.up.outputs.artifact-id }}", digest: "\${{ steps.up.outputs.artifact-digest }}" }
    steps:
      - run: |
          mkdir -p dist/sub dist/.hidden other
          echo one > dist/a.txt; echo two > dist/sub/b.txt; echo x > dist/sub/b.tmp; echo h > dist/.hidden/h; echo o > "other/with space -x"
          head -c 3000000 /dev/urandom > dist/large; sha256sum dist/large > other/sum
          ln -s ../other/sum dist/link; ln -s nowhere dist/broken; : > dist/empty
      - id: up
        uses: actions/upload-artifact@v4
        with: { name: dist, path: "dist/\\n!**/*.tmp\\n" , compression-level: 1, retention-days: 2 }
      - uses: actions/upload-artifact@v4
        with: { name: both, path: "dist/**/*.txt\\nother", include-hidden-files: true }
      - uses: actions/upload-artifact@v4
        with: { name: single, path: dist/sub/b.txt }
      - run: echo three > dist/sub/b.txt
      - uses: actions/upload-artifact@v4
        with: { name: single, path: dist/sub/b.txt, overwrite: true }
      - uses: actions/upload-artifact@v4
        with: { name: none, path: missing }
      - id: fails
        continue-on-error: true
        uses: actions/upload-artifact@v4
        with: { name: none, path: missing, if-no-files-found: error }
      - id: taken
        continue-on-error: true
        uses: actions/upload-artifact@v4
        with: { name: single, path: dist/a.txt }
      - run: test "\${{ steps.fails.outcome }} \${{ steps.taken.outcome }}" = "failure failure"
  take:
    needs: make
    runs-on: x
    steps:
      - uses: actions/download-artifact@v4
        with: { name: dist }
      - run: |
          test "$(find . -type f | sort | tr '\\n' ' ')" = "./a.txt ./empty ./large ./link ./sub/b.txt "
          test "$(cat a.txt sub/b.txt)" = "$(printf 'one\\ntwo')"
          test "$(sha256sum < large | cut -c1-64)" = "$(cut -c1-64 link)"
          test "\${{ needs.make.outputs.id }}" -gt 0
          test "$(printf %s '\${{ needs.make.outputs.digest }}' | wc -c)" = 64
      - id: all
        uses: actions/download-artifact@v4
        with: { path: all }
      - run: |
          cd "\${{ steps.all.outputs.download-path }}"
          test "$(cat single/b.txt)" = three
          test "$(ls)" = "$(printf 'both\\ndist\\nsingle')"
          test "$(cat "both/other/with space -x" both/dist/sub/b.txt)" = "$(printf 'o\\ntwo')"
      - uses: actions/download-artifact@v4
        with: { pattern: "{dist,single}", merge-multiple: true, path: ~/merged }
      - run: test "$(ls ~/merged)" = "$(printf 'a.txt\\nb.txt\\nempty\\nlarge\\nlink\\nsub')"
      - id: fails
        continue-on-error: true
        uses: actions/download-artifact@v4
        with: { name: nothing }
      - run: test "\${{ steps.fails.outcome }}" = failure
`,
    'make',
    'take',
  )
  assert.match(log, /With the provided path, there will be 5 files uploaded/)
  assert.match(log, /##\[warning\]No files were found with the provided path: missing/)
  assert.match(log, /an artifact with this name already exists on the workflow run: single/)
  assert.match(log, /Artifact not found for name: nothing; there are dist, both, single/)
})

test('a cache is saved when the job has succeeded and restored by the next, with what it says of the match', async () => {
  await using opened = await openServedBuild()
  const workflow = (key: string, then: string) => `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - id: cache
        uses: actions/cache@v4
        with:
          path: |
            ~/.store
            node_modules
          key: ${key}
          restore-keys: deps-
      - run: |
          echo "hit=\${{ steps.cache.outputs.cache-hit }} matched=\${{ steps.cache.outputs.cache-matched-key }} primary=\${{ steps.cache.outputs.cache-primary-key }}"
          ${then}
`
  const make =
    'mkdir -p ~/.store node_modules/x && echo kept > ~/.store/f && ln -s ../../f node_modules/x/link && chmod 750 node_modules'
  const first = await passes(opened, workflow('deps-1', make), 'a')
  assert.match(first, /Cache not found for input keys: deps-1, deps-/)
  assert.match(first, /hit= matched= primary=deps-1/)
  assert.match(first, /Cache saved with key: deps-1/)
  const check =
    'test "$(cat ~/.store/f)" = kept && test -L node_modules/x/link && test "$(stat -c %a node_modules)" = 750'
  const second = await passes(opened, workflow('deps-1', check), 'a')
  assert.match(second, /hit=true matched=deps-1 primary=deps-1/)
  assert.match(second, /Cache hit occurred on the primary key deps-1, not saving cache/)
  const third = await passes(opened, workflow('deps-2', check), 'a')
  assert.match(third, /hit=false matched=deps-1 primary=deps-2/)
  assert.match(third, /Cache saved with key: deps-2/)
  const looked = await passes(
    opened,
    `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - id: look
        uses: actions/cache/restore@v4
        with: { path: "~/.store\\nnode_modules", key: deps-2, lookup-only: true }
      - run: test "\${{ steps.look.outputs.cache-hit }}" = true && test ! -e ~/.store
      - id: miss
        continue-on-error: true
        uses: actions/cache/restore@v4
        with: { path: x, key: missing, fail-on-cache-miss: true }
      - run: test "\${{ steps.miss.outcome }}" = failure && mkdir x && echo y > x/y
      - uses: actions/cache/save@v4
        with: { path: x, key: x-1 }
      - uses: actions/cache/save@v4
        with: { path: x, key: x-1 }
      - run: rm -r x
      - uses: actions/cache/restore@v4
        with: { path: x, key: x-1, fail-on-cache-miss: true }
      - run: test "$(cat x/y)" = y
`,
    'a',
  )
  assert.match(looked, /Unable to reserve cache with key x-1: a cache of this key exists on refs\/heads\/main/)
})

test('setup-node with a cache keeps what npm has fetched by the lock file, for the next job that has the same', async () => {
  await using opened = await openServedBuild()
  const job = (name: string, needs: string, steps: string): string => `
  ${name}:
    runs-on: x
    ${needs}
    steps:
      - run: echo '{}' > package-lock.json
      - { id: node, uses: actions/setup-node@v4, with: { cache: npm } }
${steps}`
  await passes(
    opened,
    `
on: push
jobs:${job('first', '', `      - run: test "\${{ steps.node.outputs.cache-hit }}" = false && mkdir ~/.npm && echo kept > ~/.npm/fetched`)}
${job('second', 'needs: first', `      - run: test "\${{ steps.node.outputs.cache-hit }}" = true && test "$(cat ~/.npm/fetched)" = kept`)}
`,
    'first',
    'second',
  )
})

test('jobs trust the certificate that the server has made for itself', async () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-tls-'))
  try {
    const made = await certificateFor({ kind: 'self-signed' }, homeAt(root, {}), ['127.0.0.1'], systemClock)
    assert.ok(made)
    await using opened = await openServedBuild({ ...made, cert: new X509Certificate(made.cert).toString() })
    await passes(
      opened,
      `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: |
          echo x > x
          curl -fsS "$GITHUB_SERVER_URL/oidc/.well-known/jwks" | grep -q RS256
      - uses: actions/setup-node@v4
      - run: |
          node -e 'fetch(process.env.GITHUB_SERVER_URL + "/oidc/.well-known/jwks").then((r) => process.exit(r.ok ? 0 : 1))'
      - uses: actions/upload-artifact@v4
        with: { path: x }
      - uses: actions/download-artifact@v4
`,
      'a',
    )
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
