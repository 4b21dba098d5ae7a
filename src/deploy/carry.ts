import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { shortCommit } from '../names.ts'
import { describeError, Problem } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { type DesiredState, desiredFor, readDesired, writeDesired } from './desired.ts'
import type { EnvironmentBook } from './environment-book.ts'
import type { Environments } from './environments.ts'
import type { Door, Fleet } from './fleet.ts'
import type { Judging } from './judging.ts'
import type { Migrations } from './migrations/index.ts'
import { planRollout } from './plan.ts'
import {
  type Deployment,
  decide,
  deploymentSubject,
  fold,
  freshOwner,
  nextStep,
  type Observation,
  type Step,
  startedBy,
} from './rollout.ts'
import { type Ingredients, openRelease, type Prepared, prepareSpecs } from './specs.ts'
import { createStepper } from './stepper.ts'
import { defaultHost, desiredPath, type Target, targetLabel } from './target.ts'
import { createTending } from './tending.ts'
import type { DeployQueries } from './views.ts'

export type Carrying = Ingredients & {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly runtime: Runtime
  readonly environments: Environments
  readonly book: EnvironmentBook
  readonly fleet: Fleet
  readonly queries: DeployQueries
  readonly migrations: Pick<Migrations, 'migrate'>
  readonly judging: Judging
  /** The address of a host behind the edge: `http://shop.localhost:4680/`. */
  urlOf(host: string): Promise<string> | string
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

export type Interruptions = {
  /** The newer deployment of the same target that this one has to give way to after so long, if any. */
  overtakenBy(waitedMs: number): string | null
  readonly signal: AbortSignal
}

export const intentTrailer = (deployment: string): string => `Headway-Intent: ${deployment}`
export const setBackTrailer = (deployment: string): string => `Headway-Set-Back: ${deployment}`

/** What fails for no reason of the deployment's own (the agent is being replaced, a lock is held) is tried again so often. */
const retries = 5

/** Carries a deployment from wherever it stands to its end. */
export const createCarrier = (ports: Carrying) => {
  const { ledger, clock, environments, fleet, queries } = ports

  /** With what was recorded meanwhile, also by others: people pause, resume, promote and abort. */
  const refresh = async (deployment: Deployment): Promise<Deployment> => {
    const facts = await ledger.read({ subject: deploymentSubject(deployment.id), after: deployment.seq })
    return facts.reduce<Deployment>((state, recorded) => fold(state, recorded) ?? state, deployment)
  }

  /** Records what was seen and returns the deployment as it stands then. */
  const record = async (deployment: Deployment, seen: Observation): Promise<Deployment> => {
    const facts = decide(deployment, seen)
    if (facts.length > 0) await ledger.append(facts)
    return refresh(deployment)
  }

  /** The old version of a rollout, and instances of it that are only there to compare with. */
  const loadOld = async ({ id, target, rollout }: Deployment) => {
    const before = rollout?.baseline ? await queries.deployment(rollout.baseline.deployment) : null
    if (!before?.desired) return null
    const old = await prepare(before)
    const state = { ...old.state, replicas: 1 }
    const fresh = rollout?.freshBaseline
      ? await prepareSpecs(ports, { target, deployment: freshOwner(id), state })
      : { ...old.prepared, specs: [] }
    return { old, fresh }
  }

  const carryOut = async (deployment: Deployment, interruptions: Interruptions): Promise<Deployment> => {
    let state = deployment
    let prepared: Loaded | null = null
    const load = async (): Promise<Loaded> => {
      prepared ??= await prepare(state)
      return prepared
    }
    for (let step = nextStep(state); step !== 'done'; step = nextStep(state)) {
      const seen = await attempt(state, step, load, interruptions)
      if (!state.step && (seen.kind === 'refused' || seen.kind === 'unhealthy' || seen.kind === 'overtaken'))
        await withdraw(state)
      state = await record(state, seen)
    }
    return state
  }

  /** One step, tried again while what fails is not the deployment's fault. */
  const attempt = async (
    deployment: Deployment,
    step: Step,
    load: () => Promise<Loaded>,
    interruptions: Interruptions,
  ): Promise<Observation> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await take(deployment, step, load, interruptions)
      } catch (error) {
        interruptions.signal.throwIfAborted()
        if (step === 'retire' && tries >= retries) return retired(deployment.target)
        // With traffic on it nothing is given up: the weights stay as they are until the world answers again.
        const isUnderWay = deployment.step !== null
        if (error instanceof Problem) return { kind: 'refused', problem: error }
        if (tries >= retries && !isUnderWay) {
          const detail = `${deployment.target.service} ${shortCommit(deployment.commit)} could not be deployed: ${describeError(error)}`
          const next = `headway status ${deployment.target.service}, then headway deploy ${deployment.target.service}`
          return { kind: 'refused', problem: { kind: 'deployment-failed', status: 500, detail, next } }
        }
        await clock.sleep(Math.min(500 * 2 ** tries, 5_000), interruptions.signal)
      }
    }
  }

  const take = async (
    deployment: Deployment,
    step: Step,
    load: () => Promise<Loaded>,
    interruptions: Interruptions,
  ): Promise<Observation> => {
    switch (step) {
      case 'commit':
        return commit(deployment)
      case 'prepare':
        return (await migrate(deployment, await load(), interruptions.signal)) ?? plan(deployment, await load())
      case 'bring-up':
        return stepper.bringUp(deployment, await load(), 0, interruptions)
      case 'advance':
        return stepper.advance(deployment, await load(), interruptions)
      case 'shift':
        return stepper.shift(deployment, await load())
      case 'watch':
        return stepper.watch(deployment, await load(), interruptions)
      case 'revert':
        return stepper.revert(deployment)
      case 'retire':
        return retire(deployment)
      case 'done':
        throw new Error('unreachable: a finished deployment has no step')
    }
  }

  /** How it will take the place of what runs, decided once. */
  const plan = async ({ target, reason }: Deployment, { state, prepared }: Loaded): Promise<Observation> => {
    const current = (await queries.service(target))?.current ?? null
    const running = current ? await queries.deployment(current) : null
    const replicas = prepared.specs.length
    const strategy = ports.book.find(target.environment)?.strategy ?? null
    const baseline = running && { deployment: running.id, release: running.release }
    const isReturn = reason === 'rollback'
    return {
      kind: 'prepared',
      replicas,
      plan: planRollout({ rules: state.rollout, strategy, replicas, baseline, isReturn }),
    }
  }

  /** Writes the wish down in Git, once: the commit of an earlier try is found by the intent that it names. */
  const commit = async (deployment: Deployment): Promise<Observation> => {
    const trailer = intentTrailer(deployment.id)
    const earlier = await environments.findTrailer(trailer, deployment.requestedAt)
    if (earlier) return { kind: 'committed', desired: earlier }
    const { target, reason } = deployment
    const verb = reason === 'rollback' ? 'Roll back' : 'Deploy'
    const desired = await environments.commit({
      path: desiredPath(target),
      text: writeDesired(target, await wishOf(deployment)),
      subject: `${verb} ${targetLabel(target)} to ${shortCommit(deployment.commit)}`,
      trailer,
    })
    return { kind: 'committed', desired }
  }

  /** What a rollback asks for is what stood there when that release last ran; a new release brings its own. */
  const wishOf = async (deployment: Deployment): Promise<DesiredState> => {
    const { target, release, commit: source, reason } = deployment
    if (reason === 'rollback' || reason === 'configuration') {
      const earlier = await queries.lastSuccessOf(target, release)
      const desired = earlier?.desired ? await desiredAt(target, earlier.desired) : null
      if (desired) return desired
    }
    const { definition } = await openRelease(ports.releases, { release })
    const isMain = target.environment === ports.book.main()
    return desiredFor(target, release, source, isMain ? definition : { ...definition, hosts: [] })
  }

  const desiredAt = async (target: Target, at: string): Promise<DesiredState | null> => {
    const [file] = await environments.readAll([`${at}:${desiredPath(target)}`])
    return file ? readDesired(desiredPath(target), file.text) : null
  }

  const prepare = async (deployment: Deployment): Promise<Loaded> => {
    const { target, desired } = deployment
    const state = desired && (await desiredAt(target, desired))
    if (!state) throw new Error(`${desiredPath(target)} is not there at ${desired}`)
    const door = doorOf(target, state)
    refuseTakenHosts(target, door)
    return {
      state,
      door,
      oldDoor: await oldDoor(deployment),
      prepared: await prepareSpecs(ports, { target, deployment: deployment.id, state }),
    }
  }

  const door = async ({ target, desired }: Deployment): Promise<Door> => {
    const state = desired && (await desiredAt(target, desired))
    return state ? doorOf(target, state) : { hosts: [defaultHost(target)], edge: null }
  }
  const oldDoor = async (deployment: Deployment): Promise<Door> => {
    const before = deployment.rollout?.baseline
      ? await queries.deployment(deployment.rollout.baseline.deployment)
      : null
    return door(before ?? deployment)
  }

  const refuseTakenHosts = (target: Target, wanted: Door): void => {
    const taken = fleet.holderOf(wanted, target)
    if (!taken) return
    throw new Problem({
      kind: 'host-taken',
      status: 409,
      detail: `the host ${taken.host} belongs to ${taken.holder} already`,
      next: `choose another under hosts in the headway.yaml of ${target.service}, or remove it from ${taken.holder}`,
    })
  }

  /** Before the first instance starts; null when nothing is in its way. */
  const migrate = async (
    { id, requestedSeq, target, release, commit }: Deployment,
    { state, prepared }: Loaded,
    signal: AbortSignal,
  ): Promise<Observation | null> => {
    const { current } = (await queries.service(target)) ?? { current: null }
    const running = current ? ((await queries.deployment(current))?.release ?? null) : null
    const { surroundings, secretValues } = prepared
    const asked = { deployment: id, cause: requestedSeq, target, release, commit, plan: state.migrate }
    const order = { ...asked, surroundings, secretValues, running }
    const migrated = await ports.migrations.migrate(order, signal)
    const seed = migrated.kind === 'ready' && state.seed ? { ...state.seed, repeatable: false } : null
    const outcome = seed ? await ports.migrations.migrate({ ...order, plan: seed, isSeed: true }, signal) : migrated
    if (outcome.kind === 'ready') return null
    const { detail, next, lastLines } = outcome
    return { kind: 'unhealthy', detail, next, evidence: { instance: null, probe: null, lastLines } }
  }

  const retire = async (deployment: Deployment): Promise<Observation> => {
    await stepper.retire(deployment)
    return retired(deployment.target)
  }

  const retired = async (target: Target): Promise<Observation> => ({
    kind: 'retired',
    url: await ports.urlOf(defaultHost(target)),
  })

  /** Takes away what a deployment that does not go on has started. What cannot be taken away now is drift later. */
  const withdraw = async (deployment: Deployment): Promise<void> => {
    if (deployment.shiftedAt !== null || !deployment.instances) return
    await fleet.stop(startedBy(deployment)).catch(() => {})
  }

  const stepper = createStepper({
    ...ports,
    refresh,
    onAppend: (listener) => ledger.onAppend(() => listener()),
    loadOld,
    door,
    oldDoor,
    refuseTakenHosts,
    tend: createTending(ports),
  })

  return { carryOut, record, prepare, desiredAt }
}
export type Carrier = ReturnType<typeof createCarrier>

/** What a deployment runs with: its desired state, the names that it answers to, its instances. */
export type Loaded = {
  readonly state: DesiredState
  readonly door: Door
  /** That of the version that it takes the place of. */
  readonly oldDoor: Door
  readonly prepared: Prepared
}

export const doorOf = (target: Target, { hosts, edge }: DesiredState): Door => ({
  hosts: [...new Set([defaultHost(target), ...hosts])],
  edge,
})
