import type { z } from 'zod'
import type { workflowEventRaised } from '../facts.ts'
import type { Snapshot } from './snapshot.ts'

/** What is said to have happened. What is left out is as it would be for the working tree as it stands. */
export type LocalEvent = {
  /**
   * As GitHub calls it: push, pull_request, workflow_dispatch, schedule, repository_dispatch, release. Null: a push, or what the one
   * workflow that was named is for.
   */
  readonly name: string | null
  /** The activity type; of a `repository_dispatch` what its sender calls it. */
  readonly action?: string
  /** `github.event`, as far as it matters. */
  readonly payload?: Readonly<Record<string, unknown>>
  readonly inputs?: Readonly<Record<string, string | boolean | number>>
  readonly ref?: string
  readonly baseRef?: string
  readonly headRef?: string
}

/** What is said of where it happened, and by whom. */
type LocalPlace = { readonly project: string; readonly repository: string; readonly actor: string }

type Raised = z.infer<typeof workflowEventRaised.payload>
type Happening = Pick<
  Raised,
  'name' | 'action' | 'ref' | 'commit' | 'baseRef' | 'headRef' | 'changedSince' | 'inputs' | 'payload'
>

/** The event as it is recorded: a push of the snapshot, a pull request of its branch to `main`, or whatever else was named. */
export const happeningOf = (event: LocalEvent, name: string, snapshot: Snapshot, place: LocalPlace): Happening => {
  const { inputs = {} } = event
  const { commit, before } = snapshot
  const isPullRequest = name.startsWith('pull_request')
  const branch = snapshot.ref.replace(/^refs\/heads\//, '')
  const ref = event.ref ?? (isPullRequest ? 'refs/pull/1/merge' : snapshot.ref)
  const baseRef = isPullRequest ? (event.baseRef ?? 'main') : null
  const headRef = isPullRequest ? (event.headRef ?? branch) : null
  const action = event.action ?? stringIn(event.payload, 'action') ?? (isPullRequest ? 'opened' : null)
  const usual = usualPayload(name, { ref, commit, before, baseRef, headRef, action, inputs, place })
  const payload = filledIn(usual, event.payload ?? {})
  return { name, action, ref, commit, baseRef, headRef, changedSince: before, inputs: { ...inputs }, payload }
}

type Fields = Readonly<Record<string, unknown>>

/** What was said, with what is usual wherever nothing was, also within. */
const filledIn = (usual: Fields, said: Fields): Record<string, unknown> => {
  const both = Object.entries(said).map(([key, value]) => {
    const other = usual[key]
    return [key, isFields(value) && isFields(other) ? filledIn(other, value) : value] as const
  })
  return { ...usual, ...Object.fromEntries(both) }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const stringIn = (payload: LocalEvent['payload'], key: string): string | undefined => {
  const value = payload?.[key]
  return typeof value === 'string' ? value : undefined
}

/** The parts of GitHub's payloads that workflows read. */
const usualPayload = (
  name: string,
  about: Pick<Happening, 'ref' | 'commit' | 'baseRef' | 'headRef' | 'action' | 'inputs'> & {
    before: string | null
    place: LocalPlace
  },
): Record<string, unknown> => {
  const { ref, commit, before, baseRef, headRef, action, inputs, place } = about
  const typed = action === null ? {} : { action }
  if (name === 'push')
    return {
      ref,
      before: before ?? '0'.repeat(commit.length),
      after: commit,
      created: before === null,
    }
  if (name.startsWith('pull_request')) {
    const { project, repository, actor } = place
    const repo = { name: repository, full_name: `${project}/${repository}`, owner: { login: project }, fork: false }
    const request = {
      number: 1,
      state: 'open',
      title: headRef ?? '',
      body: '',
      draft: false,
      merged: false,
      user: { login: actor, type: 'User' },
      head: { ref: headRef, sha: commit, repo },
      base: { ref: baseRef, ...(before === null ? {} : { sha: before }), repo },
      labels: [],
    }
    return { ...typed, number: 1, pull_request: request }
  }
  if (name === 'workflow_dispatch') return { ref, inputs: textsOf(inputs) }
  return typed
}

/** `github.event.inputs` are texts, whatever type the `inputs` context gives them. */
const textsOf = (inputs: Happening['inputs']): Record<string, string> =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, String(value)]))
