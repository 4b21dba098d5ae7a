import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReportFormat } from '../../build/index.ts'
import { reading, toldOf } from '../testing.ts'

test('entities and document types of its own are refused, others are never fetched', async () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite name="s"><testcase name="&b;"/></testsuite>`
  const file = `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite><testcase name="a"><failure>&e;</failure></testcase></testsuite>`
  const external = `<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite><testcase name="&e;"/></testsuite>`
  const read = await Promise.all(
    [bomb, file, external].map(async (text) => {
      const results = await reading('junit', text)
      return [toldOf(results), results.notes.map((note) => note.slice(0, 60))]
    }),
  )
  const refused = 'report.junit: it declares entities or a document type of its'
  assert.deepEqual(read, [
    [[], [refused]],
    [[], [refused]],
    [[' › &e;: passed'], ['report.junit: line 1: Invalid character entity']],
  ])
})

test('deep nesting ends the reading, what came before it counts', async () => {
  const deep = `<testsuites><testcase name="a"/>${'<testsuite name="s">'.repeat(100_000)}`
  const results = await reading('junit', deep)
  assert.deepEqual(
    [toldOf(results), results.notes],
    [[' › a: passed'], ['report.junit: it is nested more than 200 deep']],
  )
  const tap = Array.from({ length: 500 }, (_, level) => `${'    '.repeat(level)}# Subtest: s`).join('\n')
  const [innermost] = toldOf(await reading('tap', `TAP version 14\n${tap}\n${' '.repeat(2000)}ok 1 - a\nok 1 - b`))
  assert.match(innermost ?? '', /^b › s › .* › a: passed$/)
})

test('an element of very many attributes is refused before it is whole', async () => {
  const many = Array.from({ length: 100_000 }, (_, place) => `a${place}="1"`).join(' ')
  const results = await reading('junit', `<testsuite><testcase name="a"/><testcase ${many}/></testsuite>`)
  assert.deepEqual(
    [toldOf(results), results.notes],
    [[' › a: passed'], ['report.junit: an element has more than 200 attributes']],
  )
})

test('a truncated report of any kind is read up to where it ends, at every length', async () => {
  for (const [format, text] of Object.entries(samples) as [ReportFormat, string][]) {
    const whole = toldOf(await reading(format, text))
    for (let length = 0; length < text.length; length += 1) {
      const part = toldOf(await reading(format, text.slice(0, length)))
      assert.ok(part.length <= whole.length, `${format} of ${length} characters tells of more`)
    }
  }
})

test('random damage breaks no reader, and what is told is fit for a store', async () => {
  const random = seeded(7)
  for (const [format, text] of Object.entries(samples) as [ReportFormat, string][]) {
    for (let round = 0; round < 300; round += 1) {
      const bytes = Buffer.from(text)
      for (let hit = 0; hit < 1 + random(8); hit += 1) bytes[random(bytes.length)] = random(256)
      const { reports, notes } = await reading(format, bytes.toString('utf8'))
      for (const { suite, name, message, durationMs } of reports.flatMap(({ cases }) => cases)) {
        for (const one of [suite, name, message ?? '']) assert.ok(isFit(one), JSON.stringify(one))
        assert.ok(durationMs === null || (Number.isFinite(durationMs) && durationMs >= 0))
      }
      assert.ok(notes.length <= 50)
    }
  }
})

test('very many cases, very long names and very long lines are cut, and others may work meanwhile', async () => {
  const many = `<testsuite name="s">${'<testcase name="a"/>'.repeat(30_000)}</testsuite>`
  const long = `<testsuite name="${'s'.repeat(100_000)}"><testcase name="${'\u{1f600}'.repeat(50_000)}"/></testsuite>`
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  const counted = await reading('junit', many)
  clearInterval(timer)
  assert.deepEqual(
    [toldOf(counted).length, counted.notes, turns > 1],
    [20_000, ['only the first 20000 cases were kept'], true],
  )
  const [cut] = (await reading('junit', long)).reports.flatMap(({ cases }) => cases)
  assert.deepEqual([cut?.suite.length, (cut?.name.length ?? 0) <= 500, isFit(cut?.name ?? '')], [300, true, true])
  assert.deepEqual(toldOf(await reading('tap', `TAP version 13\nok 1 - ${'#skip\u2028'.repeat(200_000)}`)).length, 1)
})

test('a YAML block of aliases that stand for gigabytes says nothing', async () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`).join(',')}]`),
  ]
  const text = ['TAP version 14', 'not ok 1 - a', '  ---', ...bomb.map((line) => `  ${line}`), '  ...'].join('\n')
  assert.deepEqual(toldOf(await reading('tap', text)), [' › a: failed'])
})

const samples: Readonly<Partial<Record<ReportFormat, string>>> = {
  junit: `<testsuites><testsuite name="s"><testcase name="a" time="1"/><testcase name="b"><failure message="m">x.js:3:1
</failure></testcase><testcase name="c"><skipped/></testcase></testsuite></testsuites>`,
  tap: 'TAP version 14\n# Subtest: s\n    ok 1 - a\n    not ok 2 - b\n      ---\n      message: m\n      ...\n    1..2\nnot ok 1 - s\n1..1\n',
  'go-test': `{"Action":"run","Package":"p","Test":"T"}\n{"Action":"output","Package":"p","Test":"T","Output":"x"}\n{"Action":"fail","Package":"p","Test":"T","Elapsed":1}\n`,
  lcov: 'SF:a\nDA:1,1\nDA:2,0\nend_of_record\n',
  cobertura: '<coverage line-rate="1"><class filename="a"><line number="1" hits="1"/></class></coverage>',
  k6: '{"metrics":{"http_req_duration":{"p(95)":12}}}',
}

const isFit = (text: string): boolean => !/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text) && text.isWellFormed()

/** Numbers below a bound, the same in every run (mulberry32). */
const seeded = (seed: number) => {
  let state = seed
  return (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}
