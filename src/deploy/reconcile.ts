import { fact } from '../ledger/fact.ts'
import type { Views } from '../ledger/ledger.ts'
import type { CommitId } from '../names.ts'
import { Problem, type ProblemDetails } from '../problem.ts'
import type { Admission } from './admission.ts'
import { type Carrier, type Carrying, doorOf, setBackTrailer } from './carry.ts'
import { misplacedAt } from './complaints.ts'
import { readDesired } from './desired.ts'
import { type Blobs, compareDesired, type Drift, describeDrift, findDrift } from './drift.ts'
import { deploymentCommitted, deploymentRequested, desiredStateRefused, driftFound, driftMended } from './facts.ts'
import { wholly } from './fleet.ts'
import { recordRemoval } from './removal.ts'
import { type Deployment, deploymentSubject } from './rollout.ts'
import { deploymentIdFor, desiredPath, parseDesiredPath, type Target, targetLabel } from './target.ts'
import { targetOfRow } from './views.ts'

const actor = 'system:deploy'

/**
 * Brings the world to what stands in Git: for one target at a time, and only while none of its deployments is under way (then its
 * facts rule). Says whether that asks for a deployment.
 */
export const createReconciler = (
  ports: Carrying & { readonly admit: Admission; readonly views: Views },
  carrier: Carrier,
) => {
  const { ledger, runtime, environments: repository, book, fleet, queries, admit } = ports
  /** Drift that was said and is not mended yet, so that it is not said every half minute. */
  const said = new Map<string, string>()
  /** Files that cannot be read as they are now, by their paths. */
  const refused = new Map<string, { readonly blob: string; readonly problem: ProblemDetails }>()

  const settle = async (target: Target, signal: AbortSignal, by: string = actor): Promise<void> => {
    const row = await queries.service(target)
    const current = row?.current ? await queries.deployment(row.current) : null
    const latest = row ? await queries.deployment(row.latest) : null
    const head = await repository.head()
    const { blobs, text } = await read(target, head, current, latest)
    const wasSetBack =
      latest !== null && blobs.head !== blobs.current && latest.finished?.outcome !== 'succeeded'
        ? (await repository.findTrailer(setBackTrailer(latest.id), latest.requestedAt)) !== null
        : false
    const order = compareDesired(blobs, latest, wasSetBack)
    if (order === 'set-back' && latest) await setBack(target, latest, text.current)
    if (order === 'removed') return remove(target, by)
    if (order === 'wanted' && head && text.head !== null && blobs.head !== null) {
      if (await request(target, head, { blob: blobs.head, text: text.head })) return
    }
    await mend(target, current, signal)
  }

  const read = async (
    target: Target,
    head: CommitId | null,
    current: Deployment | null,
    latest: Deployment | null,
  ): Promise<{ blobs: Blobs; text: { head: string | null; current: string | null } }> => {
    const path = desiredPath(target)
    const commits = [head, current?.desired ?? null, latest?.desired ?? null]
    const known = commits.filter((commit) => commit !== null)
    const files = await repository.readAll(known.map((commit) => `${commit}:${path}`))
    const at = (commit: CommitId | null | undefined) => (commit ? (files[known.indexOf(commit)] ?? null) : null)
    const [ofHead, ofCurrent, ofLatest] = [at(head), at(current?.desired), at(latest?.desired)]
    return {
      blobs: { head: ofHead?.blob ?? null, current: ofCurrent?.blob ?? null, latest: ofLatest?.blob ?? null },
      text: { head: ofHead?.text ?? null, current: ofCurrent?.text ?? null },
    }
  }

  /** Git must not ask for ever for what was tried and failed. */
  const setBack = async (target: Target, failed: Deployment, text: string | null): Promise<void> => {
    await repository.commit({
      path: desiredPath(target),
      text,
      subject: `Set ${targetLabel(target)} back: ${failed.finished?.detail?.split('\n')[0] ?? 'its deployment failed'}`,
      trailer: setBackTrailer(failed.id),
    })
  }

  /** A commit by hand is a deployment like any other; false when it is not admitted yet or cannot be read, which changes nothing. */
  const request = async (target: Target, head: CommitId, file: { blob: string; text: string }): Promise<boolean> => {
    const path = desiredPath(target)
    try {
      const { release, commit } = readDesired(path, file.text)
      if (await admit({ target, release, commit, cause: { kind: 'git', blob: file.blob } })) return false
      const deployment = deploymentIdFor(`git ${head} ${path}`)
      const subject = deploymentSubject(deployment)
      const named = { deployment, ...target }
      const asked = { ...named, release, commit, reason: 'git' as const, push: null }
      await ledger.append(
        [
          fact(deploymentRequested, { subject, actor, payload: asked }),
          fact(deploymentCommitted, { subject, actor, payload: { ...named, desired: head } }),
        ],
        { expect: { subject, seq: 0 } },
      )
      return true
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      await refuse(head, path, file.blob, error)
      return false
    }
  }

  const refuse = async (head: CommitId, file: string, blob: string, problem: ProblemDetails): Promise<void> => {
    refused.set(file, { blob, problem })
    const subject = `desired-state:${file}@${blob}`
    const { line = null, column = null } = problem.where ?? {}
    const payload = { desired: head, file, detail: problem.detail, line, column }
    await ledger.append([fact(desiredStateRefused, { subject, actor, payload })], { expect: { subject, seq: 0 } })
  }

  const remove = async (target: Target, by: string): Promise<void> => {
    fleet.forget(target)
    await fleet.route()
    await fleet.stop((await fleet.instancesOf(target)).map(({ id }) => id))
    await recordRemoval(ports, target, by)
  }

  /** Starts what is missing, routes as wished, stops what nobody wants; in this order, so that no request is lost. */
  const mend = async (target: Target, current: Deployment | null, signal: AbortSignal): Promise<void> => {
    await wish(target, current)
    const drift = findDrift(current, await fleet.instancesOf(target), fleet.isRouted(target, await runtime.routes()))
    const label = targetLabel(target)
    if (!drift) {
      said.delete(label)
      return
    }
    const detail = describeDrift(drift)
    const about = { subject: `service:${target.project}/${target.service}`, actor, payload: { ...target, detail } }
    if (said.get(label) !== detail) await ledger.append([fact(driftFound, about)])
    said.set(label, detail)
    if (book.find(target.environment)?.drift === 'report') return
    await bringIntoLine(target, current, drift, signal)
    if (findDrift(current, await fleet.instancesOf(target), fleet.isRouted(target, await runtime.routes()))) return
    said.delete(label)
    await ledger.append([fact(driftMended, about)])
  }

  const bringIntoLine = async (
    target: Target,
    current: Deployment | null,
    drift: Drift,
    signal: AbortSignal,
  ): Promise<void> => {
    await fleet.stop(drift.changed)
    const absent = [...drift.missing, ...drift.changed]
    if (current && absent.length > 0) {
      const { state, prepared } = await carrier.prepare(current)
      const givenUp = (await fleet.instancesOf(target)).filter((one) => one.state === 'failed').map(({ id }) => id)
      await fleet.stop(givenUp.filter((id) => absent.includes(id)))
      await fleet.start(prepared.specs.filter(({ id }) => absent.includes(id)))
      await Promise.all(absent.map((id) => runtime.settled(id, state.health.readyTimeoutMs, signal)))
    }
    if (drift.wronglyRouted) await fleet.route()
    await fleet.stop(drift.extra)
  }

  /** Where the traffic of a target should go, as its current deployment wrote it. */
  const wish = async (target: Target, current: Deployment | null): Promise<void> => {
    if (!current) return fleet.forget(target)
    const state = current.desired && (await carrier.desiredAt(target, current.desired))
    if (!state) return
    const instances = current.instances ?? []
    fleet.serve({ target, ...doorOf(target, state), ...wholly(current.release, instances) })
  }

  /** The targets for which main or the runtime says something else than the ledger: one look at everything, cheap when all is well. */
  const survey = async (since: CommitId | null): Promise<{ targets: Target[]; head: CommitId | null }> => {
    const head = await repository.head()
    const files = head ? await repository.list(head) : []
    for (const [path, { blob }] of refused)
      if (!files.some((file) => file.path === path && file.blob === blob)) refused.delete(path)
    const broken = await book.refresh()
    if (broken) await refuse(broken.commit, broken.problem.where?.file ?? '', broken.blob, broken.problem)
    const rows = await queries.services()
    const targets = new Map<string, Target>()
    const note = (target: Target) => targets.set(targetLabel(target), target)
    if (head !== since) {
      for (const row of rows) if (row.removed_at === null) note(targetOfRow(row))
      const labels = new Set(rows.map((row) => targetLabel(targetOfRow(row))))
      const known = book.environments().map(({ name }) => name)
      for (const { path, blob } of files) {
        const misplaced = misplacedAt(path, known, labels)
        const target = parseDesiredPath(path)
        if (head && misplaced) await refuse(head, path, blob, misplaced)
        else if (target) note(target)
      }
    }
    const [instances, table] = await Promise.all([runtime.instances(), runtime.routes()])
    for (const row of rows) {
      const target = targetOfRow(row)
      const current = row.current ? await queries.deployment(row.current) : null
      const own = instances.filter(({ owner }) => targetLabel(target) === labelOf(owner))
      if (findDrift(current, own, fleet.isRouted(target, table))) note(target)
    }
    return { targets: [...targets.values()], head }
  }

  return {
    settle,
    survey,
    wish,
    /** Why files of the environments repository as they are now do not count. */
    refusals: (): readonly ProblemDetails[] => [...refused.values()].map(({ problem }) => problem),
  }
}
export type Reconciler = ReturnType<typeof createReconciler>

const labelOf = (owner: { project: string; service: string; environment: string }): string =>
  `${owner.project}/${owner.service}/${owner.environment}`
