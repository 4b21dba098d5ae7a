import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTestLedger, type TestLedger } from '../../ledger/testing.ts'
import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import { type TestClock, testClock, testIds } from '../../testing.ts'
import { buildFacts } from '../facts.ts'
import type { JobOrder } from '../jobs/job.ts'
import { parseWorkflow } from '../workflow/parse.ts'
import { openResults, type Results, type ResultsParts } from './services.ts'
import { resultsMigrations, resultsView } from './views.ts'

export type TestResults = AsyncDisposable & {
  readonly results: Results
  readonly parts: ResultsParts
  readonly opened: TestLedger
  readonly clock: TestClock
  readonly url: string
  /** The jobs that are under way, as `<run>/<job>`. */
  readonly running: Set<string>
  /** What went wrong while answering. */
  readonly problems: unknown[]
}

/** The services of jobs on a real ledger, listening on a free port. The job `test` of `run-1` is under way. */
export const openTestResults = async (options: Partial<ResultsParts> = {}): Promise<TestResults> => {
  const clock = testClock()
  const opened = await openTestLedger({
    definitions: buildFacts,
    views: [resultsView],
    migrations: resultsMigrations,
    clock,
  })
  const root = mkdtempSync(join(tmpdir(), 'headway-results-'))
  const running = new Set(['run-1/test'])
  const problems: unknown[] = []
  let url = ''
  const parts: ResultsParts = {
    ...opened,
    clock,
    ids: testIds(),
    seal: { seal: (_name, plain) => plain, open: (_name, sealed) => sealed },
    directory: join(root, 'results'),
    serverUrl: () => url,
    repositoryOf: async (_project, run) => (run.startsWith('other') ? 'other' : 'shop'),
    isRunning: async (run, job, attempt) => attempt === 1 && running.has(`${run}/${job}`),
    ...options,
  }
  const results = await openResults(parts)
  const server = createServer((request, response) => {
    results.handle(request, response).catch((error: unknown) => {
      problems.push(error)
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    results,
    parts,
    opened,
    clock,
    url,
    running,
    problems,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await opened[Symbol.asyncDispose]()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** The order of a job as the conductor gives it. */
export const testOrder = (changes: Partial<JobOrder> = {}, source: Partial<JobOrder['source']> = {}): JobOrder => {
  const parsing = parseWorkflow(
    '.github/workflows/ci.yml',
    'name: CI\non: push\njobs: { test: { runs-on: x, steps: [run: "true"] } }',
  )
  if (parsing.kind === 'invalid') throw new Error(JSON.stringify(parsing.faults))
  const [job] = parsing.workflow.jobs
  if (!job) throw new Error('a workflow without a job')
  return {
    source: {
      run: 'run-1',
      push: 'push-1',
      event: { id: null, name: 'push', baseRef: null, headRef: null, payload: {}, inputs: {} },
      workflowName: 'CI',
      workflowFile: '.github/workflows/ci.yml',
      project: ProjectName.parse('default'),
      repository: RepositoryName.parse('shop'),
      ref: 'refs/heads/main',
      before: null,
      commit: CommitId.parse('1'.repeat(40)),
      head: null,
      defaultBranch: 'main',
      isRefProtected: true,
      actor: 'user:alice',
      triggeringActor: 'user:alice',
      number: 7,
      attempt: 1,
      isTrusted: true,
      ...source,
    },
    workflow: parsing.workflow,
    job,
    key: 'test',
    name: 'test',
    matrix: null,
    strategy: null,
    needs: {},
    secrets: {},
    vars: {},
    inputs: {},
    permissions: { contents: 'read' },
    environment: null,
    notes: [],
    isByAdministrator: true,
    ...changes,
  }
}
