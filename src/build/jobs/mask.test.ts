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

const hasPieceOf = (shown: string, hidden: string): boolean => {
  for (let at = 0; at + 9 <= hidden.length; at += 1) if (shown.includes(hidden.slice(at, at + 9))) return true
  return false
}

test('of a secret in base64 nothing stays, whatever stands before and behind it', () => {
  for (const secret of ['s3cr3t-va', 'a-longer-secret-value', 'x'.repeat(40)])
    for (const before of ['', 'a', 'ab', 'user:'])
      for (const behind of ['', '\n', 'xy', ' and more'])
        for (const alphabet of ['base64', 'base64url'] as const) {
          const text = Buffer.from(`${before}${secret}${behind}`).toString(alphabet)
          assert.equal(createMask([secret]).hide(`Basic ${text} .`), 'Basic *** .', `${before}|${behind}`)
        }
})

test('a long secret in base64 that is broken into lines is hidden on each of them', () => {
  const secret = Array.from({ length: 40 }, (_, at) => `part${at * 7919}`).join('_')
  for (const width of [60, 64, 76])
    for (const before of ['', 'u:', 'user:', 'x'.repeat(31), 'y'.repeat(50)])
      for (const behind of ['', '\n', 'z'.repeat(20)]) {
        const text = Buffer.from(`${before}${secret}${behind}`).toString('base64')
        const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
        const shown = createMask([secret]).hide(lines.join('\n'))
        const left = shown
          .split('\n')
          .map((line) => Buffer.from(line.replaceAll('***', ''), 'base64').toString())
          .join('\n')
        assert.ok(!hasPieceOf(left, secret), `${width} ${before} ${behind}: ${left}`)
      }
})

test('a private key hides no public one', () => {
  const key =
    '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n'
  const mask = createMask([key])
  const open = Buffer.from('-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxN0y\n').toString(
    'base64',
  )
  assert.equal(mask.hide(open), open)
  assert.equal(mask.hide(Buffer.from(key).toString('base64')), '***')
})

test('a secret with quotation marks is hidden in what shells, Python, XML and URLs make of it', () => {
  const secret = `"it's $5 & \\more~*"`
  const forms = [
    `it's $5 & \\more~*`,
    `'"it'\\''s $5 & \\more~*"'`,
    `'"it'"'"'s $5 & \\more~*"'`,
    `'"it\\'s $5 & \\\\more~*"'`,
    `"\\"it's \\$5 & \\\\more~*\\""`,
    `\\"it\\'s\\ \\$5\\ \\&\\ \\\\more\\~\\*\\"`,
    '&quot;it&#x27;s $5 &amp; \\more~*&quot;',
    '&quot;it&#39;s $5 &amp; \\more~*&quot;',
    '%22it%27s+%245+%26+%5Cmore%7E*%22',
    '%22it%27s%20%245%20%26%20%5Cmore~%2A%22',
    JSON.stringify(JSON.stringify(secret)),
    `'"it''s $5 & \\more~*"'`,
  ]
  const mask = createMask([secret])
  for (const form of forms) assert.match(mask.hide(`x ${form} y`), /^x ["'\\]*\*\*\*["'\\]* y$/, form)
})
