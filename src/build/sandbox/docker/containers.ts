import { z } from 'zod'
import { effect } from '../../../effect.ts'
import type { Home } from '../../../home.ts'
import type { CellOrder, ContainerWish } from '../sandbox.ts'
import { at, type Engine, EngineFault } from './engine.ts'
import { type CreateOptions, parseOptions } from './options.ts'

/** By these labels what a job had is found again after a crash. */
export type Labels = Readonly<Record<string, string>>
export const homeLabel = 'headway.home'
export const labelsOf = (home: Home, { run, key }: Pick<CellOrder, 'run' | 'key'>): Labels => ({
  [homeLabel]: home.root,
  'headway.run': run,
  'headway.job': key,
})

const Created = z.object({ Id: z.string() })

const Inspected = z.object({
  Id: z.string(),
  State: z.object({
    Running: z.boolean(),
    ExitCode: z.number(),
    Health: z
      .object({
        Status: z.string(),
        Log: z.array(z.object({ ExitCode: z.number(), Output: z.string() })).nullish(),
      })
      .nullish(),
  }),
  Config: z.object({ Env: z.array(z.string()).nullish(), Healthcheck: z.unknown().optional() }),
  NetworkSettings: z.object({
    Ports: z.record(z.string(), z.array(z.object({ HostPort: z.string() })).nullable()).nullish(),
  }),
})
export type Inspected = z.infer<typeof Inspected>

export const inspect = (engine: Engine, id: string): Promise<Inspected> =>
  engine.ask({ method: 'GET', path: at`/containers/${id}/json` }, Inspected)

/** What the caller decides of a container, over what the workflow says. */
export type Frame = {
  readonly labels: Labels
  readonly network: string
  /** Its name in the network. */
  readonly alias: string | null
  readonly extraHosts?: readonly string[]
  readonly binds?: readonly string[]
  /** Null: the image's own entry point. */
  readonly command?: { readonly entrypoint: readonly string[] | null; readonly args: readonly string[] }
  readonly user?: string
  readonly workingDir?: string
  readonly memoryBytes: number | null
  readonly cpus: number | null
  readonly processes: number | null
  readonly shares: number
}

/** Never given to a job's containers: what Docker grants by default and no build needs. */
const dropped = ['MKNOD', 'NET_RAW', 'AUDIT_WRITE', 'SETFCAP']

/** Makes and starts a container. Rejects with an Error that says what of the workflow cannot be. */
export const startContainer = async (engine: Engine, wish: ContainerWish, frame: Frame): Promise<string> => {
  const id = await prepareContainer(engine, wish, frame)
  await startPrepared(engine, id)
  return id
}

export const startPrepared = (engine: Engine, id: string): Promise<void> =>
  effect('build.start-container', () => engine.tell({ method: 'POST', path: at`/containers/${id}/start` }))

/** Makes a container that is not started yet. */
export const prepareContainer = async (engine: Engine, wish: ContainerWish, frame: Frame): Promise<string> => {
  const options = parseOptions(wish.options)
  const { Id } = await effect('build.make-container', () =>
    engine.ask({ method: 'POST', path: '/containers/create', body: bodyOf(wish, options, frame) }, Created),
  )
  return Id
}

const bodyOf = (wish: ContainerWish, options: CreateOptions, frame: Frame) => {
  const ports = wish.ports.map(parsePort)
  const { labels, network, alias, command } = frame
  const memory = least(options.memoryBytes, frame.memoryBytes)
  const cpus = least(options.cpus, frame.cpus)
  const volumes = wish.volumes.map((volume) => parseVolume(volume, labels))
  return {
    Image: wish.image,
    Env: [...Object.entries(wish.env).map(([name, value]) => `${name}=${value}`), ...options.env],
    Labels: { ...options.labels, ...labels },
    ...((frame.user ?? options.user) === undefined ? {} : { User: frame.user ?? options.user }),
    ...(options.hostname === undefined ? {} : { Hostname: options.hostname }),
    ...(options.workingDir === undefined && frame.workingDir === undefined
      ? {}
      : { WorkingDir: frame.workingDir ?? options.workingDir }),
    ...(command
      ? {
          ...(command.entrypoint ? { Entrypoint: command.entrypoint } : {}),
          ...(command.args.length > 0 ? { Cmd: command.args } : {}),
        }
      : options.entrypoint === undefined
        ? {}
        : { Entrypoint: [options.entrypoint] }),
    ...(options.health ? { Healthcheck: options.health } : {}),
    ExposedPorts: Object.fromEntries(ports.map(({ inside }) => [inside, {}])),
    HostConfig: {
      NetworkMode: network,
      Binds: [...(frame.binds ?? []), ...volumes],
      // Only this machine reaches what a job publishes.
      PortBindings: Object.fromEntries(
        ports.map(({ inside, outside }) => [inside, [{ HostIp: '127.0.0.1', HostPort: outside }]]),
      ),
      ExtraHosts: frame.extraHosts ?? [],
      CapDrop: dropped,
      CpuShares: frame.shares,
      ...(memory === null ? {} : { Memory: memory, MemorySwap: memory }),
      ...(cpus === null ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
      ...(frame.processes === null ? {} : { PidsLimit: frame.processes }),
      ...(options.shmBytes === undefined ? {} : { ShmSize: options.shmBytes }),
      Tmpfs: options.tmpfs,
      Init: options.isInit,
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: alias === null ? [] : [alias] } } },
  }
}

const least = (one: number | undefined, other: number | null): number | null =>
  one === undefined ? other : other === null ? one : Math.min(one, other)

/** `8080:80`, `80`, `127.0.0.1:8080:80/udp`. */
const parsePort = (text: string): { inside: string; outside: string } => {
  const [, , outside = '', inside = '', protocol = 'tcp'] =
    /^(?:(\d+\.\d+\.\d+\.\d+):)?(?:(\d*):)?(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text.trim()) ?? []
  if (inside === '') throw new Error(`ports: ${text} is no port, such as 8080:80`)
  return { inside: `${inside}/${protocol}`, outside }
}

/** Throws an Error that says what of a container's options, ports and volumes cannot be, before anything is made for it. */
export const checkWish = (wish: ContainerWish, labels: Labels): void => {
  parseOptions(wish.options)
  for (const port of wish.ports) parsePort(port)
  for (const volume of wish.volumes) parseVolume(volume, labels)
}

/** The ports of this machine that a workflow asks for by number. */
export const fixedPorts = (wish: ContainerWish): readonly string[] =>
  wish.ports
    .map(parsePort)
    .flatMap(({ inside, outside }) => (outside === '' ? [] : [`${outside}${inside.replace(/^\d+/, '')}`]))

/** Named volumes are the job's own and go with it; folders of this machine are not for jobs. */
const parseVolume = (text: string, labels: Labels): string => {
  const [first = '', ...rest] = text.split(':')
  if (rest.length === 0) return first
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(first))
    throw new Error(`volumes: ${text} would show the job a folder of this machine, which is not allowed`)
  return [volumeName(first, labels), ...rest].join(':')
}

const volumeName = (name: string, labels: Labels): string =>
  `headway-${labels['headway.run']}-${labels['headway.job']}-${name}`

/** Makes the named volumes of some containers, so that they can be found by their labels. */
export const makeVolumes = async (engine: Engine, wishes: readonly ContainerWish[], labels: Labels): Promise<void> => {
  const names = new Set(
    wishes.flatMap(({ volumes }) => volumes).flatMap((one) => (one.includes(':') ? (one.split(':')[0] ?? []) : [])),
  )
  for (const name of names) {
    const body = { Name: volumeName(name, labels), Labels: labels }
    await effect('build.make-volume', () => engine.tell({ method: 'POST', path: '/volumes/create', body }))
  }
}

/** What a job publishes, as `job.services.<id>.ports` has it: the port inside to the port of this machine. */
export const portsOf = ({ NetworkSettings }: Inspected): Record<string, string> =>
  Object.fromEntries(
    Object.entries(NetworkSettings.Ports ?? {}).flatMap(([inside, bindings]) => {
      const outside = bindings?.[0]?.HostPort
      return outside === undefined ? [] : [[inside.replace(/\/.*$/, ''), outside]]
    }),
  )

const Listed = z.array(z.object({ Id: z.string() }))
const ListedImages = z.array(z.object({ Id: z.string() }))
const ListedVolumes = z.object({ Volumes: z.array(z.object({ Name: z.string() })).nullish() })

/** Removes all containers, networks, volumes and images that have all these labels. */
export const removeLabelled = async (engine: Engine, labels: Labels): Promise<void> => {
  const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
  const filters = encodeURIComponent(JSON.stringify({ label }))
  const containers = await engine.ask({ method: 'GET', path: `/containers/json?all=true&filters=${filters}` }, Listed)
  for (const { Id } of containers) await removeContainer(engine, Id)
  for (const { Id } of await engine.ask({ method: 'GET', path: `/networks?filters=${filters}` }, Listed))
    await removeNetwork(engine, Id)
  const { Volumes } = await engine.ask({ method: 'GET', path: `/volumes?filters=${filters}` }, ListedVolumes)
  for (const { Name } of Volumes ?? [])
    await effect('build.remove-volume', () =>
      unlessGone(engine.tell({ method: 'DELETE', path: at`/volumes/${Name}?force=true` })),
    )
  await removeImages(engine, filters)
}

/** An image that was built for an action; `name` is its tag or its id. */
export const removeImage = (engine: Engine, name: string): Promise<void> =>
  effect('build.remove-image', () =>
    unlessGone(engine.tell({ method: 'DELETE', path: at`/images/${name}?force=true` })),
  )

/** Removes the images that were built for actions. */
const removeImages = async (engine: Engine, filters: string): Promise<void> => {
  for (const { Id } of await engine.ask({ method: 'GET', path: `/images/json?filters=${filters}` }, ListedImages))
    await removeImage(engine, Id)
}

/** Ends its first process, and with that all others. */
export const killContainer = (engine: Engine, id: string): Promise<void> =>
  effect('build.kill-container', () => engine.tell({ method: 'POST', path: at`/containers/${id}/kill` }))

/** With its anonymous volumes. */
export const removeContainer = (engine: Engine, id: string): Promise<void> =>
  effect('build.remove-container', () =>
    unlessGone(engine.tell({ method: 'DELETE', path: at`/containers/${id}?force=true&v=true` })),
  )

const removeNetwork = (engine: Engine, id: string): Promise<void> =>
  effect('build.remove-network', () => unlessGone(engine.tell({ method: 'DELETE', path: at`/networks/${id}` })))

const unlessGone = (work: Promise<void>): Promise<void> =>
  work.catch((error: unknown) => {
    const isGone = error instanceof EngineFault && (error.status === 404 || /already in progress/.test(error.message))
    if (!isGone) throw error
  })

const NetworkAnswer = z.object({
  Id: z.string(),
  IPAM: z.object({ Config: z.array(z.object({ Gateway: z.string().optional() })).nullish() }),
})

/** A network of a job's own, and the address at which this machine is in it. */
export type Network = { readonly name: string; readonly gateway: string | null }

export const makeNetwork = async (engine: Engine, labels: Labels): Promise<Network> => {
  const name = `headway-${labels['headway.run']}-${labels['headway.job']}`
  const body = { Name: name, Driver: 'bridge', Labels: labels }
  await effect('build.make-network', () => engine.ask({ method: 'POST', path: '/networks/create', body }, Created))
  const { IPAM } = await engine.ask({ method: 'GET', path: at`/networks/${name}` }, NetworkAnswer)
  return { name, gateway: IPAM.Config?.find(({ Gateway }) => Gateway !== undefined)?.Gateway ?? null }
}
