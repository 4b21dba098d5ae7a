import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions, wordsOf } from './options.ts'

const second = 1e9

test('the health options of a service mean what docker create makes of them', () => {
  const text = `
    --health-cmd "pg_isready -U 'app user'"
    --health-interval 10s --health-timeout=1m30s --health-retries 5
    -e A=1 --env B="two words" --init --memory 512m --cpus 1.5`
  assert.deepEqual(parseOptions(text), {
    env: ['A=1', 'B=two words'],
    labels: {},
    tmpfs: {},
    isInit: true,
    memoryBytes: 512 * 1024 ** 2,
    cpus: 1.5,
    health: {
      Test: ['CMD-SHELL', "pg_isready -U 'app user'"],
      Interval: 10 * second,
      Timeout: 90 * second,
      StartPeriod: 0,
      Retries: 5,
    },
  })
})

test('what would open the machine to a job is refused by name', () => {
  const hostile = ['--privileged', '-v /:/host', '--volume=/:/host', '--network host', '--cap-add ALL', '--pid=host']
  for (const text of [...hostile, '--device /dev/sda', '--security-opt seccomp=unconfined', '--userns host', '-p 1:1'])
    assert.throws(
      () => parseOptions(text),
      new RegExp(`${text.split(/[ =]/)[0]} is not allowed for containers of jobs`),
    )
  assert.throws(() => parseOptions('--label headway.home=other'), /is Headway's own/)
  assert.throws(() => parseOptions('--cpus'), /--cpus has no value/)
  assert.throws(() => parseOptions('--health-interval soon'), /soon is no duration/)
})

test('words are cut as a shell cuts them, and nothing is replaced', () => {
  assert.deepEqual(wordsOf(`a "b c"d 'e "f"' g\\ h "i\\"j" '' $HOME`), [
    'a',
    'b cd',
    'e "f"',
    'g h',
    'i"j',
    '',
    '$HOME',
  ])
  assert.throws(() => wordsOf('a "b'), /a quote \("\) is not closed/)
})
