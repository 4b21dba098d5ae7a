import { z } from 'zod'
import { lastAttempts } from './attempts.ts'
import type { CaseSink, FoundCase } from './case.ts'
import { eachLine, eachUntil } from './lines.ts'

const longestOutput = 8 * 1024
const longestName = 1000
const deepest = 30
/** Ends of tests, subtests and packages; more are passed over. */
const mostEnds = 100_000

const cut = (name: string): string => name.slice(0, longestName)

/** A line of `go test -json`, as `go doc test2json` describes it. */
const Event = z.object({
  Action: z.string(),
  Package: z.string().default('').transform(cut),
  Test: z.string().default('').transform(cut),
  Elapsed: z.number().optional(),
  Output: z.string().optional(),
})

/**
 * The events of `go test -json`. A test with subtests counts as a case only when it failed without one of them, a package only when it
 * failed without a test of it (it did not compile, or a test ended the process). Resolves to what was wrong with the report.
 */
export const readGoTest = async (text: string, sink: CaseSink): Promise<string | null> => {
  const outputs = new Map<string, string>()
  const ended: Ended[] = []
  const begun = new Set<string>()
  let faults = 0
  await eachLine(text, (line) => {
    if (line.trim() === '') return
    const event = eventFrom(line)
    if (event === null) {
      faults += 1
      return
    }
    const { Action, Package, Test, Elapsed, Output } = event
    const key = `${Package}\0${Test}`
    if (Action === 'run') begun.add(key)
    else if (Action === 'output') {
      const before = outputs.get(key) ?? ''
      if (before.length < longestOutput) outputs.set(key, before + (Output ?? ''))
    } else if (ended.length < mostEnds && (Action === 'pass' || Action === 'fail' || Action === 'skip')) {
      begun.delete(key)
      ended.push({
        suite: Package,
        test: Test,
        action: Action,
        elapsedS: Elapsed ?? null,
        output: outputs.get(key) ?? '',
      })
      outputs.delete(key)
    }
  })
  // A test that never ended took the process with it: a panic, a time limit.
  for (const key of begun) {
    const [suite = '', test = ''] = key.split('\0')
    ended.push({ suite, test, action: 'fail', elapsedS: null, output: outputs.get(key) ?? '' })
  }
  const leaves = await leavesOf(ended)
  await eachUntil(lastAttempts(leaves.map(foundFrom)), sink)
  return faults > 0 ? `${faults} lines are no events` : null
}

type Ended = {
  readonly suite: string
  /** Empty for the package itself. */
  readonly test: string
  readonly action: 'pass' | 'fail' | 'skip'
  readonly elapsedS: number | null
  readonly output: string
}

const eventFrom = (line: string): z.infer<typeof Event> | null => {
  try {
    return Event.safeParse(JSON.parse(line)).data ?? null
  } catch {
    return null
  }
}

const leavesOf = async (ended: readonly Ended[]): Promise<Ended[]> => {
  const parents = new Set<string>()
  const withFailure = new Set<string>()
  await eachUntil(ended, ({ suite, test, action }) => {
    for (const above of aboveOf(test)) {
      parents.add(`${suite}\0${above}`)
      if (action === 'fail') withFailure.add(`${suite}\0${above}`)
    }
    return true
  })
  const isLeaf = ({ suite, test, action }: Ended): boolean => {
    const key = `${suite}\0${test}`
    if (test === '') return action === 'fail' && !withFailure.has(key)
    return !parents.has(key) || (action === 'fail' && !withFailure.has(key))
  }
  const leaves: Ended[] = []
  await eachUntil(ended, (one) => {
    if (isLeaf(one)) leaves.push(one)
    return true
  })
  return leaves
}

/** The tests above `A/b/c`, and the package above all. */
const aboveOf = (test: string): string[] => {
  if (test === '') return []
  const parts = test.split('/', deepest)
  return ['', ...parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))]
}

const outcomes = { pass: 'passed', fail: 'failed', skip: 'skipped' } as const

const foundFrom = ({ suite, test, action, elapsedS, output }: Ended): FoundCase => {
  const said = output
    .split('\n')
    .filter((line) => !/^\s*(=== |--- |\?|FAIL\b|ok\b|PASS\b)/.test(line) && line.trim() !== '')
    .join('\n')
  return {
    suite,
    name: test || '(package)',
    outcome: outcomes[action],
    durationMs: elapsedS === null ? null : elapsedS * 1000,
    detail: action === 'fail' ? said || output : null,
    message: action === 'skip' ? said.trim() : null,
  }
}
