import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import { z } from '@hono/zod-openapi'
import { effect } from '../../../effect.ts'
import { isRoot } from '../../../home.ts'
import { type Ending, markerVariable, type RunningProcess } from '../../jobs/processes.ts'
import { type JobLimits, jobCpuWeight } from '../limits.ts'
import type { ActionContainers, Cell, CellOrder, CellStart } from '../sandbox.ts'
import { createContainer, type Labels, removeContainer, removeImage } from './containers.ts'
import { at, type Engine, EngineFault, jsonLines } from './engine.ts'
import { demultiplex } from './exec.ts'
import { ensureImage } from './images.ts'

export type ActionPlace = {
  readonly engine: Engine
  readonly order: CellOrder
  readonly limits: JobLimits
  readonly labels: Labels
  /** Whose files the job's are. */
  readonly user: Cell['user']
  /** The job's own network; `host` where its steps have the machine's. */
  readonly network: string
  readonly extraHosts: readonly string[]
  /** The job has gone over a limit. */
  readonly over: AbortSignal
  /** Starts a program of the job, which packs the folder of a Dockerfile as the job's own user. */
  readonly start: Cell['start']
}

const Build = z.object({ stream: z.string().optional(), error: z.string().optional() })
const Waited = z.object({ StatusCode: z.number() })

/** Runs container actions on an engine: each stage in a fresh container, which sees the job's directories and nothing else of this machine. */
export const actionContainers = (place: ActionPlace): ActionContainers & AsyncDisposable & { isUsed(): boolean } => {
  const { engine, order, labels } = place
  const { workspace, say, cancel } = order
  const images = new Map<string, Promise<string>>()
  let isUsed = false

  const build = async (dockerfile: string): Promise<string> => {
    const tag = `headway-action:${createHash('sha256').update(`${order.run}/${order.key}/${dockerfile}`).digest('hex').slice(0, 24)}`
    const packing = await place.start({
      argv: ['tar', '-cf', '-', '-C', dirname(dockerfile), '.'],
      cwd: workspace.root,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      marker: `${order.marker}build/`,
    })
    packing.stderr.resume()
    const query = new URLSearchParams({ dockerfile: basename(dockerfile), t: tag, rm: 'true', forcerm: 'true' })
    query.set('labels', JSON.stringify(labels))
    say(`Building the image of ${dockerfile.replace(`${workspace.root}/`, '')}`)
    await effect('build.build-image', async () => {
      const answer = await engine.open({
        method: 'POST',
        path: `/build?${query}`,
        headers: { 'content-type': 'application/x-tar' },
        content: packing.stdout,
        signal: cancel,
      })
      for await (const { stream, error } of jsonLines(answer, Build)) {
        if (stream?.trim()) say(stream.trimEnd())
        if (error !== undefined) throw new Error(`the image of ${basename(dockerfile)} could not be built: ${error}`)
      }
    })
    return tag
  }

  return {
    build: (dockerfile) => {
      isUsed = true
      const known = images.get(dockerfile) ?? build(dockerfile)
      images.set(dockerfile, known)
      return known
    },
    isUsed: () => isUsed,
    run: async (start) => {
      isUsed = true
      await ensureImage(engine, { image: start.image, credentials: null }, say, cancel)
      return runContainer(start, place)
    },
    [Symbol.asyncDispose]: async () => {
      for (const image of images.values()) {
        const tag = await image.catch(() => null)
        if (tag) await removeImage(engine, tag).catch(() => undefined) // the next sweep finds it by its label
      }
    },
  }
}

const runContainer = async (
  { argv, cwd, env, image, marker }: CellStart & { readonly image: string },
  { engine, order, limits, labels, network, extraHosts, user, over }: ActionPlace,
): Promise<RunningProcess> => {
  const [entrypoint, ...args] = argv
  const { workspace } = order
  const folders = [workspace.work, workspace.home, workspace.temp, workspace.actions, workspace.files]
  const id = await createContainer(
    engine,
    { image, env: { ...env, [markerVariable]: marker }, ports: [], volumes: [], options: '', credentials: null },
    {
      ...{ labels, network, alias: null, extraHosts, workingDir: cwd },
      // The same paths as in the job, so that the command files are found; and the one that GitHub's documentation names.
      binds: [...folders.map((folder) => `${folder}:${folder}`), `${workspace.work}:/github/workspace`],
      command: { entrypoint: entrypoint === '' ? null : [entrypoint], args },
      ...{ memoryBytes: limits.memoryBytes, cpus: limits.cpus, processes: limits.processes },
      shares: Math.round(jobCpuWeight * 10.24),
    },
  )
  const { socket, head } = await effect('build.attach-container', () =>
    engine.upgrade({ method: 'POST', path: at`/containers/${id}/attach?stream=1&stdout=1&stderr=1` }),
  )
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const closed = demultiplex(socket, head, stdout, stderr)
  const remove = (): void => void removeContainer(engine, id).catch(() => undefined) // the end of the job removes it
  over.addEventListener('abort', remove, { once: true })
  const waited = engine.ask({ method: 'POST', path: at`/containers/${id}/wait?condition=next-exit` }, Waited)
  waited.catch(() => undefined) // heard below
  await effect('build.start-action', () => engine.tell({ method: 'POST', path: at`/containers/${id}/start` }))
  const ended = async (): Promise<Ending> => {
    const { StatusCode } = await waited.catch(() => ({ StatusCode: 137 })) // removed while it ran
    await closed
    over.removeEventListener('abort', remove)
    await removeContainer(engine, id)
    await giveBack(folders.slice(0, 3), user)
    return { exitCode: StatusCode, signal: null }
  }
  return {
    stdout,
    stderr,
    ended: ended(),
    signal: (name) =>
      void engine
        .tell({ method: 'POST', path: `${at`/containers/${id}/kill`}?signal=${name}` })
        .catch((error: unknown) => {
          if (!(error instanceof EngineFault)) throw error // it has ended already
        }),
    end: () => removeContainer(engine, id),
  }
}

/** What the container's root has made becomes the job's; that also takes the set-user-id bit from it. */
const giveBack = async (folders: readonly string[], user: Cell['user']): Promise<void> => {
  if (!isRoot() || !user || user.uid === 0) return
  await effect('build.give-files-back', () =>
    promisify(execFile)('chown', ['-hR', '--', `${user.uid}:${user.gid}`, ...folders], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    }),
  )
}
