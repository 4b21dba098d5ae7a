import { randomUUID } from 'node:crypto'
import { chmodSync, chownSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import { z } from 'zod'
import { effect, effectSync } from '../../../effect.ts'
import { isRoot } from '../../../home.ts'
import { runOk } from '../../../processes/run.ts'
import { markerVariable, type RunningProcess } from '../../jobs/processes.ts'
import { jobCpuWeight } from '../limits.ts'
import type { ActionContainers, Cell, CellOrder, CellStart } from '../sandbox.ts'
import type { DockerParts } from './cell.ts'
import {
  type Frame,
  labelsOf,
  type Network,
  prepareContainer,
  removeContainer,
  removeImage,
  startPrepared,
} from './containers.ts'
import { at, jsonLines } from './engine.ts'
import { demultiplex } from './exec.ts'
import { ensureImage } from './images.ts'
import { hostsOf, openRelay } from './relay.ts'

const BuildProgress = z.object({ stream: z.string().optional(), error: z.string().optional() })
const Waited = z.object({ StatusCode: z.number() })

/** Where GitHub's own runner mounts them (actions/runner, ContainerActionHandler.cs); some images count on it. */
const wellKnown = { work: '/github/workspace', home: '/github/home', files: '/github/file_commands' }

/** Runs the containers of a job's actions, one for each use, all gone when it is disposed of. */
export const actionContainers = (
  order: CellOrder,
  cell: Cell,
  { engine, home, tools: { limits }, serverUrl }: DockerParts,
  network: () => Promise<Network>,
): ActionContainers & AsyncDisposable & { endAll(): Promise<void> } => {
  const { workspace, say, cancel } = order
  const labels = labelsOf(home, order)
  const images = new Set<string>()
  const built = new Map<string, Promise<string>>()
  const running = new Set<string>()
  let relay: Promise<Awaited<ReturnType<typeof openRelay>> | null> | null = null

  const relayed = async ({ gateway }: Network) => {
    relay ??= gateway === null ? Promise.resolve(null) : openRelay(gateway, serverUrl())
    return relay
  }

  const frameFor = async ({ argv, marker }: CellStart): Promise<Frame> => {
    const joined = await network()
    const [entrypoint, ...args] = argv
    const { root, work, home: own, temp, actions, files } = workspace
    const same = [`${root}/work`, own, temp, actions, files].map((path) => `${path}:${path}`)
    return {
      ...{ labels: { ...labels, 'headway.marker': marker }, network: joined.name, alias: null },
      binds: [...same, `${work}:${wellKnown.work}`, `${own}:${wellKnown.home}`, `${files}:${wellKnown.files}`],
      extraHosts: hostsOf(joined),
      command: { entrypoint: entrypoint === '' ? null : [entrypoint], args },
      workingDir: wellKnown.work,
      // What an ordinary user's engine makes as root, that user could not remove.
      ...(isRoot() ? {} : { user: `${process.getuid?.()}:${process.getgid?.()}` }),
      ...{ memoryBytes: limits.memoryBytes, cpus: limits.cpus, processes: limits.processes },
      shares: Math.round(jobCpuWeight * 10.24),
    }
  }

  /** As its root can make set-user-id files there, nobody but the job's user, who gains no privilege by them, may come near. */
  const closeWorkspace = (): void => {
    if (!isRoot() || cell.isolation === 'docker') return
    effectSync('build.close-directories', () => {
      chownSync(workspace.root, 0, cell.user?.gid ?? 0)
      chmodSync(workspace.root, 0o710)
    })
  }

  /** What it made belongs to the job's user from then on, as GitHub's hosted runners have it by their passwordless sudo. */
  const giveBack = async (): Promise<void> => {
    const { user } = cell
    if (!isRoot() || !user || user.uid === 0) return
    const { work, home: own, temp } = workspace
    const argv = ['chown', '-hR', '--', `${user.uid}:${user.gid}`, work, own, temp] as const
    await effect('build.give-back', () =>
      runOk({ argv, env: { PATH: '/usr/bin:/bin' } }, 'giving back what a container made'),
    )
  }

  const build = async (dockerfile: string): Promise<string> => {
    const tag = `headway-action:${randomUUID()}`
    images.add(tag)
    const marker = `${order.marker}build/`
    const env = { PATH: (cell.path ?? ['/usr/bin', '/bin']).join(':') }
    // Packed by the job's own user: a link to others' files leads it nowhere.
    const packing = await cell.start({ argv: ['tar', '-cf', '-', '.'], cwd: dirname(dockerfile), env, marker })
    packing.stderr.resume()
    const query = new URLSearchParams({
      ...{ t: tag, dockerfile: basename(dockerfile), rm: 'true', forcerm: 'true', labels: JSON.stringify(labels) },
      ...(limits.memoryBytes === null
        ? {}
        : { memory: String(limits.memoryBytes), memswap: String(limits.memoryBytes) }),
    })
    await effect('build.build-image', async () => {
      const headers = { 'content-type': 'application/x-tar' }
      const answer = await engine.open({
        method: 'POST',
        path: `/build?${query}`,
        headers,
        stream: packing.stdout,
        signal: cancel,
      })
      for await (const { stream, error } of jsonLines(answer, BuildProgress)) {
        if (error !== undefined) throw new Error(`the image of ${dockerfile} cannot be built: ${error.trim()}`)
        for (const line of (stream ?? '').split('\n')) if (line.trim() !== '') say(line.trimEnd())
      }
    })
    return tag
  }

  const endAll = async (): Promise<void> => {
    for (const id of running) await removeContainer(engine, id)
  }
  const onOver = (): void => void endAll().catch(() => undefined) // the end of the job removes them
  cell.over.addEventListener('abort', onOver, { once: true })

  return {
    endAll,
    build: (dockerfile) => {
      const known = built.get(dockerfile) ?? build(dockerfile)
      built.set(dockerfile, known)
      return known
    },
    run: async ({ image, ...start }) => {
      if (!images.has(image)) await ensureImage(engine, { image, credentials: null }, say, cancel)
      closeWorkspace()
      const frame = await frameFor(start)
      const relay = await relayed(await network())
      const local = serverUrl()
      const env = Object.entries({ ...start.env, GITHUB_WORKSPACE: wellKnown.work, [markerVariable]: start.marker })
      const wish = {
        ...{ image, ports: [], volumes: [], options: '', credentials: null },
        env: Object.fromEntries(env.map(([name, value]) => [name, relay ? value.replaceAll(local, relay.url) : value])),
      }
      const id = await prepareContainer(engine, wish, frame)
      running.add(id)
      return runPrepared(id)
    },
    [Symbol.asyncDispose]: async () => {
      cell.over.removeEventListener('abort', onOver)
      await endAll()
      for (const tag of images) await removeImage(engine, tag)
      await (await relay)?.[Symbol.asyncDispose]()
    },
  }

  async function runPrepared(id: string): Promise<RunningProcess> {
    const query = 'stream=true&stdout=true&stderr=true'
    const { socket, head } = await effect('build.attach-container', () =>
      engine.upgrade({ method: 'POST', path: `${at`/containers/${id}/attach`}?${query}` }),
    )
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const closed = demultiplex(socket, head, stdout, stderr)
    const send = (name: NodeJS.Signals): Promise<void> =>
      effect('build.signal-container', () =>
        engine.tell({ method: 'POST', path: `${at`/containers/${id}/kill`}?signal=${name}` }).catch(() => undefined),
      )
    await startPrepared(engine, id)
    const ended = (async () => {
      const waited = engine.ask({ method: 'POST', path: at`/containers/${id}/wait` }, Waited)
      const { StatusCode } = await waited.catch(() => ({ StatusCode: 137 })) // removed while it ran
      await closed
      await removeContainer(engine, id)
      running.delete(id)
      await giveBack()
      return { exitCode: StatusCode, signal: null }
    })()
    ended.catch(() => undefined) // heard by whoever waits for it
    return { stdout, stderr, ended, signal: (name) => void send(name), end: () => send('SIGKILL') }
  }
}
