import { atLeast, type Identity } from '../../access/access.ts'
import type { Role } from '../../access/facts.ts'
import { roleGranted, roleRevoked } from '../../access/facts.ts'
import { workflowEventConcluded } from '../../build/facts.ts'
import type { Clock } from '../../clock.ts'
import { changeAbandoned, changeMerged, changeReopened, changeTestRequested, changeUpdated } from '../../code/facts.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { createLooker } from '../../looker.ts'
import { type ProjectName, previewEnvironment, type ServiceName } from '../../names.ts'
import { changePackaged } from '../../package/facts.ts'
import type { Releases } from '../../package/release.ts'
import { describeError, Problem } from '../../problem.ts'
import type { Stage } from '../../stage.ts'
import type { Store } from '../../store/store.ts'
import { deploymentFinished, deploymentRequested } from '../facts.ts'
import { type Deployment, deploymentSubject } from '../rollout.ts'
import { deploymentIdFor, type Target } from '../target.ts'
import {
  type PreviewKey,
  previewAsked,
  previewBegun,
  previewEnding,
  previewFacts,
  previewFailed,
  previewHeld,
  previewReady,
  previewRemoved,
  previewRulesSet,
  previewSubject,
} from './facts.ts'
import { expiryOf, type Move, nextMove } from './move.ts'
import { nameOf, type Preview, stands } from './preview.ts'
import type { PreviewRules } from './rules.ts'
import { createPreviewQueries, type PreviewTables } from './view.ts'

export type { Preview } from './preview.ts'
export { previewView } from './view.ts'

export type PreviewParts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly clock: Clock
  readonly releases: Pick<Releases, 'open'>
  roleOf(user: string, project: ProjectName): Promise<Role | null>
  deployment(id: string): Promise<Deployment | null>
  /** The address of a target behind the edge. */
  urlOf(target: Target): Promise<string> | string
  /** Takes a service out of its environment: route, instances, file, logs of migrations. Nothing where it is gone. */
  takeDown(target: Target, by: string): Promise<void>
  /** Deletes the database of a service with its role and password. Nothing where there is none. */
  discardDatabase(target: Target, by: string): Promise<void>
  /** Makes room: what was packaged for it is needed no more. */
  collect(): Promise<void>
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

const actor = 'system:deploy'
/** The longest time without looking at the clock, which somebody may set. */
const longestSleepMs = 60_000

/** After these something may have to be done about a preview. */
const awakening: readonly string[] = [
  ...[changeUpdated, changeTestRequested, changeMerged, changeAbandoned, changeReopened, workflowEventConcluded],
  ...[changePackaged, deploymentFinished, roleGranted, roleRevoked, ...previewFacts],
].map(({ type }) => type)

/**
 * Gives each open change a place where its merge result can be looked at once its checks have passed: an environment `change-<number>` with its
 * own address and its own database, brought to each newer version, and taken down when the change ends or is left alone for too long.
 */
export const createPreviews = (parts: PreviewParts) => {
  const { ledger, views, clock } = parts
  const queries = createPreviewQueries(parts.store.tables<PreviewTables>())
  const closing = new AbortController()
  const takingDown = new Map<string, Promise<void>>()
  let alarm = new AbortController()
  let seen = 0
  let stopFollowing = (): void => undefined

  const report = (message: string): void => {
    if (!closing.signal.aborted) parts.onError?.(`previews: ${message}`)
  }

  /** Looks at every preview once, the oldest wish first, so that what a quota frees goes to who has waited longest. */
  const work = async (): Promise<void> => {
    await views.reach()
    const all = (await queries.active()).sort((left, right) => (left.test?.seq ?? 0) - (right.test?.seq ?? 0))
    const standing = Map.groupBy(all.filter(stands), ({ project }) => project)
    const begun = new Map<string, number>()
    for (const preview of all) {
      closing.signal.throwIfAborted()
      const { project } = preview
      const others = (standing.get(project) ?? []).filter((other) => other !== preview).length
      const rules = await queries.rules(project)
      const move = nextMove(preview, {
        ...{ rules, others: others + (begun.get(project) ?? 0), now: clock.now() },
        isByDeveloper: await isDeveloper(preview),
      })
      if (move.kind === 'begin' && !stands(preview)) begun.set(project, (begun.get(project) ?? 0) + 1)
      await carryOut(preview, move, { rules, all })
    }
    wakeAt(await Promise.all(all.map(async (one) => expiryOf(one, await queries.rules(one.project)))))
  }
  const looker = createLooker(work, report, clock, closing.signal)

  const isDeveloper = async ({ user, project }: Preview): Promise<boolean> =>
    user !== null && atLeast(await parts.roleOf(user, project), 'developer')

  const carryOut = async (
    preview: Preview,
    move: Move,
    around: { rules: PreviewRules; all: readonly Preview[] },
  ): Promise<void> => {
    const key = keyOf(preview)
    const { test } = preview
    switch (move.kind) {
      case 'rest':
        return
      case 'end':
        return record(preview, [fact(previewEnding, { ...about(preview), payload: { ...key, why: move.why } })])
      case 'take-down':
        return takeDownAside(preview)
      case 'hold': {
        if (!test || (preview.held?.event === test.event && preview.held.why === move.why)) return
        const { why, detail, next } = move
        const payload = { ...key, version: test.version, event: test.event, why, detail, next }
        return record(preview, [fact(previewHeld, { ...about(preview), payload })])
      }
      case 'begin': {
        if (!test) return
        const payload = { ...key, version: test.version, event: test.event, commit: test.commit }
        return record(preview, [fact(previewBegun, { ...about(preview), payload })])
      }
      case 'deploy':
        return deploy(preview, around)
    }
  }

  /** Nothing where something else was recorded about it meanwhile: then it is looked at anew. */
  const record = async (preview: Preview, facts: readonly NewFact[]): Promise<void> => {
    await ledger.append(facts, { expect: { subject: previewSubject(preview), seq: preview.seq } })
  }

  /** Asks for what is packaged to be deployed, and concludes when all of it has come to its end. */
  const deploy = async (
    preview: Preview,
    { rules, all }: { rules: PreviewRules; all: readonly Preview[] },
  ): Promise<void> => {
    const { begun, packaged } = preview
    if (!begun || !packaged) return
    const [broken] = packaged.failed
    if (broken) return fail(preview, { ...broken, detail: `${broken.service} could not be packaged: ${broken.detail}` })
    const wanted: { service: ServiceName; deployment: string }[] = []
    for (const { service, digest } of packaged.packaged) {
      const plan = (await parts.releases.open(digest))?.definition.preview ?? null
      if (plan === null) continue
      if (plan.fill.kind === 'copy' && !rules.copyFrom.includes(plan.fill.from))
        return fail(preview, copyRefused(preview, service, plan.fill.from, rules))
      const holder = all.find((other) => isBeside(preview, other) && other.services.includes(service))
      if (holder) return fail(preview, nameTaken(preview, service, holder))
      const deployment = deploymentIdFor(`preview ${begun.seq} ${preview.project}/${preview.repository}/${service}`)
      wanted.push({ service, deployment })
      const subject = deploymentSubject(deployment)
      const payload = { deployment, ...targetOf(preview, service), release: digest, commit: begun.commit }
      await ledger.append(
        [
          fact(deploymentRequested, {
            ...{ subject, actor, causes: [begun.seq] },
            payload: { ...payload, reason: 'preview', push: null },
          }),
        ],
        { expect: { subject, seq: 0 } },
      )
    }
    await conclude(preview, wanted)
  }

  const conclude = async (
    preview: Preview,
    wanted: readonly { service: ServiceName; deployment: string }[],
  ): Promise<void> => {
    const { begun } = preview
    if (!begun) return
    await views.reach()
    const made = await Promise.all(wanted.map(({ deployment }) => parts.deployment(deployment)))
    if (made.some((one) => one === null || one.finished === null)) return
    const bad = made.find((one) => one?.finished?.outcome !== 'succeeded')
    if (bad?.finished) {
      const { detail, next, evidence } = bad.finished
      return fail(preview, {
        detail: detail ?? `${bad.target.service} did not come up`,
        ...{ next, lastLines: evidence?.lastLines ?? [] },
      })
    }
    const standing = wanted.map(({ service }) => service)
    for (const service of preview.services) if (!standing.includes(service)) await takeDownService(preview, service)
    const services = await Promise.all(
      standing.map(async (service) => ({ service, url: await parts.urlOf(targetOf(preview, service)) })),
    )
    const { version, event, commit } = begun
    const payload = { ...keyOf(preview), version, event, commit, services }
    await record(preview, [fact(previewReady, { ...about(preview), payload })])
  }

  const fail = async (
    preview: Preview,
    { detail, lastLines, next }: { detail: string; lastLines: readonly string[]; next: string | null },
  ): Promise<void> => {
    if (!preview.begun) return
    const { version, event, commit } = preview.begun
    const said = { detail, lastLines: [...lastLines], next }
    const payload = { ...keyOf(preview), version, event, commit, ...said }
    await record(preview, [fact(previewFailed, { ...about(preview), payload })])
  }

  /** Instances may take their time to drain; others are not kept waiting. */
  const takeDownAside = (preview: Preview): void => {
    const subject = previewSubject(preview)
    if (takingDown.has(subject)) return
    const done = takeDown(preview)
      .catch((error: unknown) => looker.again(`taking down that of ${nameOf(preview)}: ${describeError(error)}`))
      .finally(() => takingDown.delete(subject))
    takingDown.set(subject, done)
  }

  const takeDown = async (preview: Preview): Promise<void> => {
    for (const service of preview.services) await takeDownService(preview, service)
    const why = preview.ending ?? 'removed'
    await record(preview, [fact(previewRemoved, { ...about(preview), payload: { ...keyOf(preview), why } })])
    await parts.collect()
  }

  const takeDownService = async (preview: Preview, service: ServiceName): Promise<void> => {
    const target = targetOf(preview, service)
    await parts.takeDown(target, actor)
    await parts.discardDatabase(target, actor)
  }

  const wakeAt = (times: readonly (number | null)[]): void => {
    alarm.abort()
    alarm = new AbortController()
    const next = Math.min(...times.filter((time) => time !== null))
    if (!Number.isFinite(next)) return
    clock
      .sleep(Math.min(longestSleepMs, Math.max(0, next - clock.now())), AbortSignal.any([closing.signal, alarm.signal]))
      .then(
        () => void looker.look(),
        () => undefined,
      )
  }

  const read = async (key: PreviewKey): Promise<Preview> => {
    await views.reach()
    const preview = await queries.preview(key)
    if (preview) return preview
    throw new Problem({
      kind: 'change-not-found',
      status: 404,
      detail: `there is no change ${key.number} in ${key.project}/${key.repository}`,
      next: 'headway changes lists them',
    })
  }

  return {
    name: 'previews',
    // What it records belongs to deploy, in whose room it is.
    facts: [],
    views: [],
    queries,

    start: async (): Promise<void> => {
      seen = (await ledger.head()).seq
      const wake = async (): Promise<void> => {
        const facts = await ledger.read({ after: seen, types: awakening, limit: 1000 })
        seen = facts.at(-1)?.seq ?? seen
        if (facts.length > 0) void looker.look()
      }
      const awaken = (): void => void wake().catch((error: unknown) => looker.again(describeError(error)))
      stopFollowing = ledger.onAppend(awaken, awakening)
      void looker.look()
    },
    stop: async (): Promise<void> => {
      stopFollowing()
      closing.abort()
      await looker.idle()
      await Promise.all(takingDown.values())
    },
    /** Resolves when everything that can be decided now was decided. */
    look: (): Promise<void> => looker.look(),

    /** Those of open changes that have one or wait for one, and what is left of others. */
    list: async (project: ProjectName): Promise<Preview[]> => {
      await views.reach()
      return queries.active(project)
    },
    read,
    rules: async (project: ProjectName): Promise<PreviewRules> => {
      await views.reach()
      return queries.rules(project)
    },
    setRules: async (project: ProjectName, rules: PreviewRules, by: string): Promise<void> => {
      await ledger.append([
        fact(previewRulesSet, { subject: `project:${project}`, actor: by, payload: { project, rules } }),
      ])
    },

    /** Wants the newest version to have one, whoever has pushed it; also once more, after it failed or was taken down. */
    ask: async (key: PreviewKey, { actor: by, user }: Pick<Identity, 'actor' | 'user'>): Promise<Preview> => {
      const preview = await read(key)
      if (preview.change !== 'open')
        throw new Problem({
          kind: 'change-closed',
          status: 409,
          detail: `${nameOf(preview)} is ${preview.change}`,
          next: `headway changes reopen ${preview.repository}/${preview.number}`,
        })
      if (!(await queries.rules(key.project)).isEnabled)
        throw new Problem({
          kind: 'previews-disabled',
          status: 409,
          detail: `the project ${key.project} has no previews`,
          next: 'an operator allows them: headway previews rules --enabled yes',
        })
      const payload = { ...keyOf(key), version: preview.version, user }
      await ledger.append([fact(previewAsked, { subject: previewSubject(key), actor: by, payload })])
      await looker.look()
      return read(key)
    },

    /** Takes it down until the next push, or until somebody asks for it. */
    remove: async (key: PreviewKey, by: string): Promise<Preview> => {
      const preview = await read(key)
      if (!stands(preview))
        throw new Problem({
          kind: 'preview-not-found',
          status: 404,
          detail: `${nameOf(preview)} has no preview`,
          next: 'headway previews lists them',
        })
      if (preview.status === 'ending') return preview
      const payload = { ...keyOf(key), why: 'removed' as const }
      await ledger.append([fact(previewEnding, { subject: previewSubject(key), actor: by, payload })])
      return read(key)
    },
  } satisfies Stage & Record<string, unknown>
}
export type Previews = ReturnType<typeof createPreviews>

const keyOf = ({ project, repository, number }: PreviewKey): PreviewKey => ({ project, repository, number })
const about = (preview: Preview) => ({ subject: previewSubject(preview), actor })
const targetOf = ({ project, number }: PreviewKey, service: ServiceName): Target => ({
  ...{ project, service },
  environment: previewEnvironment(number),
})

/** Changes of two repositories have one environment when they have the same number. */
const isBeside = (preview: Preview, other: Preview): boolean =>
  other.project === preview.project && other.number === preview.number && other.repository !== preview.repository

type Failure = { readonly detail: string; readonly lastLines: readonly string[]; readonly next: string | null }

const copyRefused = (preview: Preview, service: string, from: string, { copyFrom }: PreviewRules): Failure => ({
  detail: `${service} asks for a copy of its database in ${from}, and whoever proposes a change would read all of it; allowed: ${copyFrom.join(', ') || 'none'}`,
  lastLines: [],
  next: `choose another under preview in its headway.yaml, or an operator allows it: headway previews rules --copy ${[...copyFrom, from].join(',')} --project ${preview.project}`,
})

const nameTaken = (preview: Preview, service: string, holder: Preview): Failure => ({
  detail: `a service ${service} stands in ${previewEnvironment(preview.number)} already, from ${nameOf(holder)}`,
  lastLines: [],
  next: `choose another name, or take that one down: headway previews remove ${holder.repository}/${holder.number}`,
})
