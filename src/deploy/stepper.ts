import type { Clock } from '../clock.ts'
import { shortCommit } from '../names.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Interruptions, Loaded } from './carry.ts'
import { type Door, type Fleet, wholly } from './fleet.ts'
import { gatherEvidence, waitForHealth } from './health.ts'
import type { Judgement, JudgePlan, Judging } from './judging.ts'
import { partnersOf } from './lockstep.ts'
import { countAt } from './plan.ts'
import { describeUnhealthy } from './readiness.ts'
import { watchedAgainst } from './record.ts'
import { type Deployment, nextStep, type Observation, startedBy } from './rollout.ts'
import { type Decision, decideStep, decideWatch, type Look } from './steps.ts'
import { type Target, targetLabel } from './target.ts'
import type { Tending } from './tending.ts'
import { type Others, remaining, trafficAt, trafficOfOld, versionsOf } from './traffic.ts'
import { type Answer, answerOf, besideOld, type Question, questionsOf } from './verdicts.ts'
import type { DeployQueries } from './views.ts'

export type Stepping = {
  readonly clock: Clock
  readonly runtime: Runtime
  readonly fleet: Fleet
  readonly queries: DeployQueries
  readonly judging: Judging
  /** The deployment with every fact about it that there is now. */
  refresh(deployment: Deployment): Promise<Deployment>
  /** Calls back when something was recorded; ends with the function that it returns. */
  onAppend(listener: () => void): () => void
  /** What the old version, or fresh instances of it, are made from. */
  loadOld(deployment: Deployment): Promise<{ old: Loaded; fresh: Loaded['prepared'] } | null>
  /** The names that it, and the one that it takes the place of, answer to. */
  door(deployment: Deployment): Promise<Door>
  oldDoor(deployment: Deployment): Promise<Door>
  /** Compares what runs with what a rollout's facts ask for. */
  readonly tend: Tending
  /** Refuses when another target has come to one of these hosts. */
  refuseTakenHosts(target: Target, wanted: Door): void
}

const planOf = ({ rollout }: Deployment): JudgePlan => {
  if (!rollout) throw new Error('unreachable: what is judged was started')
  return rollout.plan
}

/** How often a step under way is looked at. */
const lookEveryMs = 250
/** How often what runs is compared with what the step asks for. */
const tendEveryMs = 10_000

/** What is done to the world in a rollout, one step of its facts at a time. Each may be repeated after a crash. */
export const createStepper = (ports: Stepping) => {
  const { clock, runtime, fleet, queries, judging } = ports
  /** Since when a step is held by this process; known as long as its deployment is on its way. */
  const held = new Map<string, { readonly step: number; readonly at: number }>()

  const heldSince = ({ id, step }: Deployment): number => {
    const known = held.get(id)
    if (known && known.step === step?.index) return known.at
    const at = clock.now()
    held.set(id, { step: step?.index ?? 0, at })
    return at
  }

  /** Starts the instances of a step; once all are healthy, and never before, they may have traffic. */
  const bringUp = async (
    deployment: Deployment,
    loaded: Loaded,
    step: number,
    interruptions: Interruptions,
  ): Promise<Observation> => {
    const { target, rollout } = deployment
    const { state, door, prepared } = loaded
    const all = deployment.instances ?? []
    const weight = rollout?.steps[step]?.weightPercent ?? 100
    const instances = all.slice(0, countAt(rollout?.strategy ?? 'rolling', weight, all.length))
    const fresh = rollout?.freshBaseline ? ((await ports.loadOld(deployment))?.fresh.specs ?? []) : []
    await fleet.start([...prepared.specs.filter(({ id }) => instances.includes(id)), ...fresh])
    const { readyTimeoutMs } = state.health
    const waited = await waitForHealth(runtime, clock, {
      instances: [...instances, ...fresh.map(({ id }) => id)],
      readyTimeoutMs,
      isUnwanted: async () => (await ports.refresh(deployment)).aborted !== null,
      ...interruptions,
    })
    if (waited.kind === 'overtaken' || waited.kind === 'interrupted') return waited
    if (waited.kind === 'unhealthy') {
      const { instance, seen } = waited
      const evidence = await gatherEvidence(runtime, { target, instance, seen, secretValues: prepared.secretValues })
      return {
        kind: 'unhealthy',
        detail: describeUnhealthy(deployment, seen, readyTimeoutMs),
        evidence,
        next: `mend it and push again; headway logs ${target.service} shows more`,
      }
    }
    ports.refuseTakenHosts(target, door) // again: another target may have come to it while we waited
    return { kind: 'ready', step }
  }

  /** Holds the weight of a step until it is decided, then makes ready what the next one needs. */
  const advance = async (
    deployment: Deployment,
    loaded: Loaded,
    interruptions: Interruptions,
  ): Promise<Observation> => {
    const others = await othersOf(deployment)
    const { rollout } = deployment
    const questions = questionsOf(deployment, others)
    for (const { name, plan, who } of questions) await judging.begin(name, plan, who)
    return hold(
      deployment,
      questions,
      { decide: decideStep, during: 'advance', interruptions, loaded, others },
      async (now) => {
        if (rollout?.strategy === 'rolling') {
          const kept = remaining(now, others.old)
          await fleet.stop(others.old.filter((id) => !kept.includes(id)))
        }
        const seen = await bringUp(now, loaded, (now.step?.index ?? 0) + 1, {
          ...interruptions,
          overtakenBy: () => null, // what has traffic is superseded by its own rules
        })
        if (seen.kind === 'unhealthy') await routeBack(now, loaded, others)
        return seen
      },
    )
  }

  /** Gives the new version all traffic. */
  const shift = async (deployment: Deployment, loaded: Loaded): Promise<Observation> => {
    await routeAs(deployment, loaded, await othersOf(deployment))
    return { kind: 'routed' }
  }

  /** With all traffic: beside a hold-back of the old version, or against its record. */
  const watch = async (deployment: Deployment, loaded: Loaded, interruptions: Interruptions): Promise<Observation> => {
    const others = await othersOf(deployment)
    const { rollout } = deployment
    if (!rollout) throw new Error('unreachable: what is watched was started')
    const [errors] = questionsOf(deployment, others)
    const question =
      rollout.watch.holdbackPercent > 0 ? (errors ?? holdBack(deployment, others)) : await againstRecord(deployment)
    await judging.begin(question.name, question.plan, question.who)
    return hold(
      deployment,
      [question],
      { decide: decideWatch, during: 'watch', interruptions, loaded, others },
      async (_now, judgement) => ({
        kind: 'watched',
        judgement,
        evidence: judgement ? (await judging.conclude(question.name)).evidence : null,
      }),
    )
  }

  type Holding = {
    readonly decide: (deployment: Deployment, look: Look) => Decision
    readonly during: 'advance' | 'watch'
    readonly interruptions: Interruptions
    readonly loaded: Loaded
    readonly others: Others
  }

  /** Looks again and again, and does what was decided. What is undone is out of the routes before anything else is done. */
  const hold = async (
    deployment: Deployment,
    questions: readonly Question[],
    { decide, during, interruptions, loaded, others }: Holding,
    goOn: (now: Deployment, judgement: Judgement | null) => Promise<Observation>,
  ): Promise<Observation> => {
    let tendAt = clock.monotonicMs() + tendEveryMs
    for (let isRouted = false; ; ) {
      const lookedAt = clock.monotonicMs()
      const now = await ports.refresh(deployment)
      if (nextStep(now) !== during) return { kind: 'interrupted' }
      const answer = await answerOf(judging, questions)
      // First of all, also when it was killed between the route and the fact: the weight never comes back.
      const hasFailed = answer?.judgement.verdict === 'fail'
      if (hasFailed) await routeBack(now, loaded, others)
      const look = await lookAt(now, answer, interruptions)
      const decision = decide(now, look)
      if (decision.kind === 'undo' && !hasFailed) await routeBack(now, loaded, others)
      else if (!isRouted && !hasFailed) {
        await routeAs(now, loaded, others)
        isRouted = true
      }
      switch (decision.kind) {
        case 'undo':
          return { kind: 'undone', reason: decision.reason, supersededBy: decision.supersededBy }
        case 'judged':
          return { kind: 'judged', judgement: decision.judgement, evidence: await evidenceOf(answer) }
        case 'held':
          return { ...decision, evidence: await evidenceOf(answer) }
        case 'over':
          return goOn(now, look.judgement)
        case 'wait':
          if (clock.monotonicMs() >= tendAt) {
            await ports.tend(now, others, (ids) => startOld(now, ids))
            tendAt = clock.monotonicMs() + tendEveryMs
          }
          await idle(lookedAt + lookEveryMs - clock.monotonicMs(), now, interruptions.signal)
      }
    }
  }

  const lookAt = async (deployment: Deployment, answer: Answer | null, interruptions: Interruptions): Promise<Look> => {
    const heldAt = heldSince(deployment)
    return {
      ...{ now: clock.now(), heldAt },
      judgement: answer?.judgement ?? null,
      main: answer?.main ?? null,
      broken: await brokenOf(deployment),
      newer: interruptions.overtakenBy(Number.POSITIVE_INFINITY),
      partners: await partnersOf(queries, deployment, clock.now()),
    }
  }

  /** An instance that has failed for good, or is gone, of those that have traffic. */
  const brokenOf = async ({ instances, step, rollout, target, commit }: Deployment): Promise<string | null> => {
    if (!instances || !step || !rollout) return null
    const seen = new Map((await fleet.instancesOf(target)).map((instance) => [instance.id, instance]))
    const wanted = instances.slice(0, countAt(rollout.strategy, step.weightPercent, instances.length))
    const lost = wanted.find((id) => (seen.get(id)?.state ?? 'failed') === 'failed')
    if (lost === undefined) return null
    const probe = seen.get(lost)?.lastProbe
    return `${target.service} ${shortCommit(commit)} did not stay healthy: ${lost} ${probe ? `has failed (${probe})` : 'is gone'}`
  }

  /** Until it is time to look again, or something was recorded about it. */
  const idle = async (ms: number, known: Deployment, signal: AbortSignal): Promise<void> => {
    const until = clock.monotonicMs() + ms
    for (let leftMs = ms; leftMs > 0; leftMs = until - clock.monotonicMs()) {
      const woken = new AbortController()
      const stop = ports.onAppend(() => woken.abort())
      try {
        await clock.sleep(leftMs, AbortSignal.any([signal, woken.signal]))
      } catch (error) {
        if (!woken.signal.aborted || signal.aborted) throw error
      } finally {
        stop()
      }
      if (woken.signal.aborted && (await ports.refresh(known)).seq !== known.seq) return
    }
  }

  const othersOf = async (deployment: Deployment): Promise<Others> => {
    const before = deployment.rollout?.baseline?.deployment
    const old = (before ? await queries.deployment(before) : null)?.instances ?? []
    const fresh = deployment.rollout?.freshBaseline ? ((await ports.loadOld(deployment))?.fresh.specs ?? []) : []
    return { old, fresh: fresh.map(({ id }) => id) }
  }

  const evidenceOf = async (answer: Answer | null) => (answer ? (await judging.conclude(answer.name)).evidence : null)

  /** Where the steps were not judged the watch is. */
  const holdBack = (deployment: Deployment, others: Others): Question => {
    const plan: JudgePlan = { ...planOf(deployment), latency: false, focus: 'errors' }
    return { name: deployment.id, plan, who: besideOld(deployment, others) }
  }

  const againstRecord = async (deployment: Deployment): Promise<Question> => {
    const { canary, old } = versionsOf(deployment)
    const service = targetLabel(deployment.target)
    const minutes = (await runtime.traffic()).minutes.filter((minute) => minute.service === service)
    const { metrics: _, ...rest } = planOf(deployment) // of the team's own metrics there is no record
    const plan = watchedAgainst(rest, minutes, old)
    return { name: `${deployment.id}.watch`, plan, who: { service, canary, baseline: null } }
  }

  const routeAs = async (deployment: Deployment, { door, state }: Loaded, others: Others): Promise<void> => {
    fleet.serve({ target: deployment.target, ...door, ...trafficAt(deployment, others, state.rollout) })
    await fleet.route()
  }

  const routeBack = async (
    deployment: Deployment,
    { oldDoor }: Pick<Loaded, 'oldDoor'>,
    others: Others,
  ): Promise<void> => {
    fleet.serve({ target: deployment.target, ...oldDoor, ...trafficOfOld(deployment, others) })
    await fleet.route()
  }

  /** What a rolling update has replaced already; only there can something be missing. */
  const restore = async (deployment: Deployment, old: readonly string[]): Promise<void> => {
    const running = new Set((await fleet.instancesOf(deployment.target)).map(({ id }) => id))
    if (!old.every((id) => running.has(id))) await startOld(deployment, old)
  }

  /** Of the old version, or of the instances that are there to compare with. */
  const startOld = async (deployment: Deployment, ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return
    const before = await ports.loadOld(deployment)
    const specs = [...(before?.old.prepared.specs ?? []), ...(before?.fresh.specs ?? [])]
    await fleet.start(specs.filter(({ id }) => ids.includes(id)))
  }

  return {
    bringUp,
    advance,
    shift,
    watch,

    /** The old version has all traffic again, with all its instances, and the new one goes. */
    revert: async (deployment: Deployment): Promise<Observation> => {
      const others = await othersOf(deployment)
      if (deployment.step) {
        await routeBack(deployment, { oldDoor: await ports.oldDoor(deployment) }, others)
        await restore(deployment, others.old)
      }
      await fleet.stop(startedBy(deployment))
      held.delete(deployment.id)
      return { kind: 'reverted' }
    },

    /** What was replaced goes; what is left is routed as it will stay. */
    retire: async (deployment: Deployment): Promise<void> => {
      const { target, release } = deployment
      held.delete(deployment.id)
      const instances = deployment.instances ?? []
      fleet.serve({ target, ...(await ports.door(deployment)), ...wholly(release, instances) })
      if (!fleet.isRouted(target, await runtime.routes())) await fleet.route()
      const all = await fleet.instancesOf(target)
      await fleet.stop(all.map(({ id }) => id).filter((id) => !instances.includes(id)))
    },
  }
}
export type Stepper = ReturnType<typeof createStepper>
