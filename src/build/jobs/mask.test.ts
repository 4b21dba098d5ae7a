import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { createAnnotations } from './annotations.ts'
import type { JobLog } from './log.ts'
import { createMask } from './mask.ts'
import { createMatchers } from './matchers.ts'
import { createOutputReader } from './output.ts'

const secret = 'p@ss"word/with+signs & <more>'

test('a secret is hidden in every form that programs print it in', () => {
  const mask = createMask([secret])
  const base64 = (before: string): string => Buffer.from(`${before}${secret}${before}`).toString('base64')
  const forms = [
    secret,
    JSON.stringify({ key: secret }),
    encodeURIComponent(secret),
    encodeURIComponent(secret).replaceAll('%2F', '/'),
    encodeURI(secret),
    `p@ss&quot;word/with+signs &amp; &lt;more&gt;`,
  ]
  const shown = forms.map((form) => mask.hide(`x ${form} y`))
  assert.deepEqual(shown, ['x *** y', 'x {"key":"***"} y', 'x *** y', 'x *** y', 'x *** y', 'x *** y'])
  for (const before of ['', 'a', 'ab', 'abc']) {
    const hidden = mask.hide(base64(before))
    assert.match(hidden, /\*\*\*/)
    assert.ok(!Buffer.from(hidden.replaceAll('***', ''), 'base64').toString().includes('word'))
  }
})

test('each line of a secret of several lines is hidden', () => {
  const mask = createMask(['first line\nsecond line\n'])
  assert.equal(mask.hide('a first line b\nsecond line'), 'a *** b\n***')
})

test('the longest of several secrets wins', () => {
  assert.equal(createMask(['abc', 'abcdef']).hide('abcdef abc'), '*** ***')
})

const logOf = (): JobLog & { text: string } => {
  const log = {
    text: '',
    write: (text: string) => {
      log.text += text
      return true
    },
    drained: async () => undefined,
    lastLines: () => [],
    markTail: () => undefined,
    close: async () => undefined,
  }
  return log
}
const printed = async (chunks: readonly (string | Buffer)[], mask = createMask()): Promise<string> => {
  const log = logOf()
  const stream = new PassThrough()
  const { annotations, matchers } = { annotations: createAnnotations(), matchers: createMatchers() }
  const place = { log, mask, annotations, matchers, work: '/work', isDebug: false, readFile: () => '' }
  createOutputReader(place, { name: 'step', env: {} }).read(stream)
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  await new Promise((resolve) => stream.once('close', resolve))
  return log.text
}

test('a secret that is split over chunks, even within a character, is hidden', async () => {
  const bytes = Buffer.from('before sécret-value after\n')
  for (let at = 1; at < bytes.length; at += 1)
    assert.equal(
      await printed([bytes.subarray(0, at), bytes.subarray(at)], createMask(['sécret-value'])),
      'before *** after\n',
    )
})

test('a secret that a program registers is hidden from then on', async () => {
  assert.equal(await printed(['::add-mask::topsecret\nit is topsecret\n']), 'it is ***\n')
})

test('a huge line is cut, and never through a secret', async () => {
  const line = `${'x'.repeat(64 * 1024 - 3)}topsecret${'y'.repeat(200_000)}`
  const text = await printed([line.slice(0, 50_000), line.slice(50_000), '\nnext\n'], createMask(['topsecret']))
  assert.equal(text, `${'x'.repeat(64 * 1024 - 3)} [line cut]\nnext\n`)
})

test('annotations, groups and stop-commands mean what GitHub documents, and nobody can forge a mark', async () => {
  const lines = [
    '::error file=a.js,line=3,title=Oh::It broke%0Abadly',
    '::error file=/work/src/b.js,line=1,col=2::x',
    '::group::Tests',
    '::endgroup::',
    '::debug::hidden',
    '::stop-commands::pause-it',
    '::error::not one',
    '::pause-it::',
    '::echo::on',
    '::set-env name=A::b',
    '::unknown::thing',
    '##[forged]mark',
    '::add-mask:: ',
    'plain\r',
  ]
  assert.deepEqual((await printed([`${lines.join('\n')}\n`])).split('\n'), [
    '##[error]a.js:3: Oh: It broke',
    '##[error]badly',
    '##[error]src/b.js:1:2: x',
    '##[group]Tests',
    '##[endgroup]',
    '::stop-commands::***',
    '::error::not one',
    '::***::',
    '::set-env name=A::b',
    "##[error]Unable to process command '::set-env name=A::b' successfully.",
    '##[error]The command set-env is not allowed; write to $GITHUB_ENV or $GITHUB_PATH',
    '::unknown::thing',
    ' ##[forged]mark',
    "##[warning]Can't add secret mask for empty string in ##[add-mask] command.",
    'plain',
    '',
  ])
})
