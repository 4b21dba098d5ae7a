import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../clock.ts'
import { Problem } from '../../../problem.ts'
import { leaseRules } from '../lease.ts'
import type { ExchangeAnswer, ExchangeRequest } from '../protocol.ts'
import { createRunner } from './runner.ts'

/** What a runner without jobs says and sends when its exchanges are answered so, one after another; the last ends it. */
const lifeOf = async (answers: readonly (() => ExchangeAnswer)[]) => {
  const said: string[] = []
  const hurried: boolean[] = []
  const none = () => Promise.reject(new Error('there are no jobs'))
  const runner = createRunner({
    exchange: async (request: ExchangeRequest) => {
      hurried.push(request.isHurried)
      const answer = answers[hurried.length - 1]
      if (hurried.length >= answers.length) runner.drain()
      if (!answer) return accepted()
      return answer()
    },
    work: {
      noteOf: () => {
        throw new Error('there are no jobs')
      },
      ...{ perform: none, endLeftovers: none },
    },
    records: {
      list: async () => [],
      ...{ begin: none, drop: none, readLog: none },
      logFile: () => '',
      end: () => undefined,
    },
    guard: { watch: none, renew: () => undefined, release: () => undefined, close: async () => undefined },
    clock: systemClock,
    ...{ session: 's', version: '1', labels: ['x'], parallel: 1, greeting: 'runs jobs' },
    say: (line) => void said.push(line),
  })
  const end = await runner.run().then(
    () => 'ended',
    (error: unknown) => String(error),
  )
  return { said, hurried, end }
}

const accepted = (): ExchangeAnswer => ({ ...leaseRules, jobs: [], assigned: [] })

test('a runner says that it runs jobs once the server has accepted it, and asks for that answer at once', async () => {
  const lost = (): never => {
    throw new Error('no answer')
  }
  assert.deepEqual(await lifeOf([lost, accepted, accepted]), {
    said: ['no answer; trying again', 'runs jobs', 'the server answers again'],
    hurried: [true, true, false, true],
    end: 'ended',
  })
})

test('a runner that the server refuses never says that it runs jobs', async () => {
  const refused = (): never => {
    throw new Problem({ kind: 'unauthenticated', status: 401, detail: 'unknown token' })
  }
  assert.deepEqual(await lifeOf([refused]), { said: [], hurried: [true], end: 'Problem: unknown token' })
})
