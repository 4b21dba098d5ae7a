import { z } from 'zod'
import { AlertRule } from '../golden/alerts.ts'
import { EdgeKey } from '../golden/edge.ts'
import type { PlannedService } from '../golden/index.ts'
import { PreviewPlan, usualPreview } from '../golden/preview.ts'
import { MigrationPlan, ReleaseRules } from '../golden/release.ts'
import type { ReleasedDefinition, ServiceDefinition } from '../golden/service.ts'
import { CommitId, type Digest, ProjectName, type RepositoryName, ServiceName } from '../names.ts'
import { imageFolder } from './layer.ts'
import { Descriptor, type Hold, type Layout } from './layout.ts'
import type { Release } from './release.ts'

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  empty: 'application/vnd.oci.empty.v1+json',
  /** How, when and by which run a release was made: what varies, and so stands beside the image. */
  packaging: 'application/vnd.headway.packaging.v1+json',
} as const

const label = 'dev.headway.release'

/** What deploying needs of a release beyond what an image configuration has a place for. */
const Label = z.object({
  project: ProjectName,
  service: ServiceName,
  commit: CommitId,
  path: z.string(),
  toolchain: z.object({ program: z.string(), range: z.string().nullable() }).nullable(),
  definition: z.object({
    name: ServiceName,
    language: z.enum(['node', 'python', 'go', 'static']),
    port: z.number(),
    database: z.literal('postgres').nullable(),
    replicas: z.number(),
    owner: z.string().nullable(),
    health: z.object({ path: z.string(), readyTimeoutMs: z.number() }),
    env: z.record(z.string(), z.string()),
    secrets: z.array(z.string()),
    hosts: z.array(z.string()),
    resources: z.object({ memoryBytes: z.number().nullable(), cpus: z.number().nullable() }),
    commands: z.object({
      lint: z.string().nullable(),
      test: z.string().nullable(),
      build: z.string().nullable(),
      start: z.string().nullable(),
    }),
    release: ReleaseRules.nullable().default(null),
    edge: EdgeKey.nullable().default(null),
    alerts: z.array(AlertRule).default([]),
    migrate: MigrationPlan.nullable().default(null),
    preview: PreviewPlan.nullable().default(usualPreview),
  }) satisfies z.ZodType<ReleasedDefinition>,
})

const Config = z.object({
  config: z.object({
    Entrypoint: z.tuple([z.string()]).rest(z.string()),
    Env: z.array(z.string()),
    WorkingDir: z.string(),
    Labels: z.record(z.string(), z.string()),
  }),
})
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor) })

export type Origin = {
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly commit: CommitId
  readonly committedAtSeconds: number
}

/** Writes configuration and manifest of an image of these layers. The digest depends on the commit and on nothing that varies. */
export const writeImage = async (
  hold: Hold,
  origin: Origin,
  { path, definition, plan }: PlannedService,
  layers: readonly Descriptor[],
): Promise<Descriptor> => {
  const { project, repository, commit } = origin
  const created = new Date(origin.committedAtSeconds * 1000).toISOString()
  const stated: z.input<typeof Label> = {
    project,
    service: definition.name,
    commit,
    path,
    toolchain: plan.toolchain,
    definition: mutable(definition),
  }
  const config = await hold.write(
    mediaTypes.config,
    encode({
      created,
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        Entrypoint: plan.start,
        Env: Object.entries(plan.startEnv).map(([name, value]) => `${name}=${value}`),
        WorkingDir: `/${imageFolder}`,
        Labels: { [label]: JSON.stringify(stated) },
      },
      // Layers are not compressed: their digests are those of their contents.
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }),
  )
  const manifest = encode({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers,
    annotations: {
      'org.opencontainers.image.title': definition.name,
      'org.opencontainers.image.revision': commit,
      'org.opencontainers.image.source': `${project}/${repository}`,
      'org.opencontainers.image.created': created,
    },
  })
  return hold.write(mediaTypes.manifest, manifest)
}

/** Writes what varies about a release (the push, its runs, the time) as a manifest that refers to the image. */
export const writeReferrer = async (hold: Hold, image: Descriptor, facts: unknown): Promise<Descriptor> => {
  const [empty, about] = await Promise.all([
    hold.write(mediaTypes.empty, Buffer.from('{}')),
    hold.write(mediaTypes.packaging, encode(facts)),
  ])
  const { mediaType, digest, size } = image
  const manifest = encode({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: mediaTypes.packaging,
    config: empty,
    layers: [about],
    subject: { mediaType, digest, size },
  })
  return { ...(await hold.write(mediaTypes.manifest, manifest)), artifactType: mediaTypes.packaging }
}

/** The release that an image holds. Throws a `Problem` when a blob of it is missing or damaged. */
export const readRelease = async (layout: Layout, digest: Digest): Promise<Release> => {
  const { config } = Config.parse(decode(await layout.read((await readManifest(layout, digest)).config.digest)))
  const { project, service, commit, definition, toolchain } = Label.parse(JSON.parse(config.Labels[label] ?? 'null'))
  return {
    digest,
    project,
    service,
    commit,
    definition,
    toolchain,
    argv: config.Entrypoint,
    env: Object.fromEntries(config.Env.map((line) => splitAt(line, line.indexOf('=')))),
    workingDirectory: config.WorkingDir.replace(/^\//, ''),
  }
}

export const readManifest = async (layout: Layout, digest: Digest): Promise<z.infer<typeof Manifest>> =>
  Manifest.parse(decode(await layout.read(digest)))

/** The bytes of an image's layers, as somebody would download them. */
export const sizeOf = (layers: readonly Descriptor[]): number => layers.reduce((sum, { size }) => sum + size, 0)

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString('utf8'))
const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)]
const mutable = ({ tests: _tests, quality: _quality, ...definition }: ServiceDefinition) => ({
  ...definition,
  secrets: [...definition.secrets],
  hosts: [...definition.hosts],
  alerts: [...definition.alerts],
})
