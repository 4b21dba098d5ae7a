import { availableParallelism } from 'node:os'
import { after, describe, test } from 'node:test'
import { loadCases } from './case.ts'
import { differences } from './judge.ts'
import { openStage } from './play.ts'

/** One test for each case; HEADWAY_CONFORMANCE holds the words by which they are chosen, as JSON. */
const words: string[] = JSON.parse(process.env.HEADWAY_CONFORMANCE ?? '[]')
const stage = openStage()
after(() => stage[Symbol.asyncDispose]())

describe('conformance', { concurrency: Math.max(4, availableParallelism() * 2) }, () => {
  for (const one of loadCases(words))
    test(`${one.file}: ${one.name}`, { timeout: 60_000 }, async () => {
      const wrong = differences(one.expect, await stage.play(one))
      if (wrong.length > 0) throw sentence(`${wrong.join('\n')}\n(${one.source})`)
    })
})

/** Only what is wrong is of use; where in this file it was noticed is not. */
const sentence = (text: string): Error => {
  const error = new Error(text)
  error.stack = text
  return error
}
