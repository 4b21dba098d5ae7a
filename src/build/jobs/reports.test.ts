import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { matchesPattern } from './report-pattern.ts'
import { collectReports, formatOf, wellKnownReports } from './reports.ts'

const junit = '<testsuites></testsuites>'

/** A workspace with these files, and what is collected of it. */
const workspace = (files: Readonly<Record<string, string>>) => {
  const outside = mkdtempSync(join(tmpdir(), 'headway-reports-'))
  const root = join(outside, 'work')
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return {
    root,
    outside,
    collect: async (patterns: readonly string[] = wellKnownReports, hide = (text: string): string => text) => {
      const { reports, notes } = await collectReports({ root, patterns, user: { uid: 12_345, gid: 12_345 }, hide })
      return {
        found: reports.map(({ path, format }) => `${path} ${format}`),
        texts: reports.map(({ text }) => text),
        notes,
      }
    },
    [Symbol.dispose]: () => rmSync(outside, { recursive: true, force: true }),
  }
}

test('the reports of the usual tools are found in any folder, and told by what they hold', async () => {
  using place = workspace({
    'junit.xml': junit,
    'api/target/surefire-reports/TEST-a.xml': '<?xml version="1.0"?>\n<testsuite name="a"/>',
    'web/test-results/e2e/results.xml': '<!-- by a tool --><testsuites/>',
    'reports/notes.xml': '<notes/>',
    'out/all.tap': '# a comment\nTAP version 13\n1..0\n',
    'go-test.json': '{"Time":"x","Action":"start","Package":"p"}\n',
    'coverage/lcov.info': 'TN:\nSF:a\n',
    'coverage.xml': '<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "x"><coverage version="7" line-rate="1"/>',
    'k6-summary.json': '{ "root_group": {}, "metrics": {} }',
    'node_modules/x/junit.xml': junit,
    '.git/junit.xml': junit,
    'src/other.xml': junit,
  })
  assert.deepEqual(await place.collect().then(({ found, notes }) => [found, notes]), [
    [
      'coverage.xml cobertura',
      'go-test.json go-test',
      'junit.xml junit',
      'k6-summary.json k6',
      'api/target/surefire-reports/TEST-a.xml junit',
      'coverage/lcov.info lcov',
      'out/all.tap tap',
      'web/test-results/e2e/results.xml junit',
    ],
    [],
  ])
  assert.deepEqual((await place.collect(['src/*.xml'])).found, ['src/other.xml junit'])
})

test('what a job puts in the place of a report leads nowhere: links, pipes, names of files of others', async (t) => {
  using place = workspace({ 'a/junit.xml': junit })
  const secret = join(place.outside, 'secret.xml')
  writeFileSync(secret, '<testsuites>secret</testsuites>')
  symlinkSync(secret, join(place.root, 'junit.xml'))
  symlinkSync(place.outside, join(place.root, 'reports'))
  symlinkSync('..', join(place.root, 'a', 'test-results'))
  linkSync(secret, join(place.root, 'junit-linked.xml'))
  execFileSync('mkfifo', [join(place.root, 'junit-pipe.xml')])
  const { found, texts, notes } = await place.collect()
  assert.deepEqual([found, texts], [['a/junit.xml junit'], [junit]])
  assert.deepEqual(notes, ['junit-linked.xml was not read: it is not a file of the job'])
  if (process.getuid?.() !== 0) return t.diagnostic('only root can give files away')
  chownSync(secret, 12_345, 12_345)
  assert.deepEqual((await place.collect()).found, ['junit-linked.xml junit', 'a/junit.xml junit'])
})

test('a report of 100 MB is refused without being read, and all together have a limit', async () => {
  using place = workspace({ 'junit.xml': junit })
  truncateSync(join(place.root, 'junit.xml'), 100 * 1024 * 1024)
  for (const name of ['a', 'b', 'c'])
    writeFileSync(join(place.root, `${name}.tap`), `1..0\n${' '.repeat(8 * 1024 * 1024)}`)
  const { found, notes } = await place.collect()
  assert.deepEqual(found, ['a.tap tap', 'b.tap tap'])
  assert.deepEqual(notes, [
    'c.tap was not read: it is larger than what is left of 20 MiB for all reports',
    'junit.xml was not read: it is larger than 16 MiB',
  ])
})

test('a secret with control characters in it is hidden once these are gone', async () => {
  using place = workspace({ 'a.tap': 'TAP version 14\n# ses\u0001ame \u001b[31mred\u001b[0m\n' })
  const { texts } = await place.collect(wellKnownReports, (text) => text.replaceAll('sesame', '***'))
  assert.deepEqual(texts, ['TAP version 14\n# *** [31mred[0m\n'])
})

test('secrets are hidden, and paths begin at the workspace', async () => {
  using place = workspace({})
  mkdirSync(place.root, { recursive: true })
  const lines = Array.from({ length: 40_000 }, (_, line) => `# ${place.root}/src/a.js:${line} sesame`)
  writeFileSync(join(place.root, 'a.tap'), `TAP version 14\n${lines.join('\n')}`)
  const { texts } = await place.collect(wellKnownReports, (text) => text.replaceAll('sesame', '***'))
  assert.equal(texts[0], `TAP version 14\n${lines.map((_, line) => `# src/a.js:${line} ***`).join('\n')}`)
})

test('a workspace that is gone, or has nothing, has no reports', async () => {
  using place = workspace({})
  assert.deepEqual(await place.collect(), { found: [], texts: [], notes: [] })
})

test('patterns match names and folders, in bounded time', () => {
  const matching = (pattern: string, path: string) => matchesPattern(pattern, path)
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['junit.xml', 'junit.xml', true],
    ['junit.xml', 'a/junit.xml', false],
    ['**/junit.xml', 'junit.xml', true],
    ['**/junit.xml', 'a/b/junit.xml', true],
    ['./out/*.xml', 'out/a.xml', true],
    ['out/*.xml', 'out/a/b.xml', false],
    ['out/**', 'out/a/b.xml', true],
    ['**/test-results/**/*.xml', 'a/test-results/x.xml', true],
    ['TEST-?.xml', 'TEST-a.xml', true],
    ['TEST-?.xml', 'TEST-ab.xml', false],
    ['a*b*c', 'axxbxxc', true],
    ['a.c', 'abc', false],
  ]
  for (const [pattern, path, expected] of cases) assert.equal(matching(pattern, path), expected, `${pattern} ${path}`)
  const begun = process.cpuUsage() // whatever else the machine does
  matching(`${'*a'.repeat(90)}b`, 'a'.repeat(4000))
  matching('**/'.repeat(60), 'a/'.repeat(2000))
  assert.ok(process.cpuUsage(begun).user < 2_000_000)
})

test('what is no report is none', () => {
  assert.deepEqual(
    [
      '',
      'ok then',
      '<html>',
      '{"a":1}',
      '{"name":"x","metrics":1}',
      '<coverage generated="1">',
      'not ok 1 - a',
      '1..3',
    ].map(formatOf),
    [null, 'tap', null, null, 'k6', null, 'tap', 'tap'],
  )
})
