import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../problem.ts'
import { askedAgain } from './again.ts'

const silent = new Problem({ kind: 'unreachable', status: 503, detail: 'nobody answers' })
const refused = new Problem({ kind: 'forbidden', status: 403, detail: 'not you' })

const asking = async (outcomes: readonly (Problem | string)[]) => {
  let asked = 0
  const pauses: number[] = []
  const ask = async (): Promise<string> => {
    const outcome = outcomes[asked] ?? silent
    asked += 1
    if (outcome instanceof Problem) throw outcome
    return outcome
  }
  const pause = async (ms: number): Promise<void> => void pauses.push(ms)
  const answer = await askedAgain(ask, pause).catch((error: unknown) => error)
  return { answer, asked, pauses }
}

test('who does not answer is asked again for a minute, who refuses is not', async () => {
  assert.deepEqual(await asking(['taken']), { answer: 'taken', asked: 1, pauses: [] })
  assert.deepEqual(await asking([silent, silent, 'taken']), { answer: 'taken', asked: 3, pauses: [1_000, 2_000] })
  assert.deepEqual(await asking([silent, refused]), { answer: refused, asked: 2, pauses: [1_000] })
  const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]
  assert.deepEqual(await asking([]), { answer: silent, asked: 7, pauses })
})
