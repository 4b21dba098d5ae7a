import type { Clock } from '../../clock.ts'
import { fact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Digest, ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Mutex } from '../../store/mutex.ts'
import type { Store } from '../../store/store.ts'
import type { Blobs } from './blobs.ts'
import { artifactRemoved, artifactStored } from './facts.ts'
import type { JobSubject } from './token.ts'
import { noRoom, type ResultsLimits, roomFor, Upload, type Usage, uploadName } from './uploads.ts'
import type { ResultsTables } from './views.ts'

/** Something that a job left. Times in milliseconds since 1970. */
export type Artifact = {
  readonly artifact: number
  readonly run: string
  readonly job: string
  readonly project: ProjectName
  readonly repository: string
  readonly name: string
  readonly digest: Digest
  readonly sizeBytes: number
  readonly mime: string
  readonly storedAt: number
  readonly expiresAt: number
}

export type Artifacts = {
  /** Begins an upload and resolves to its name. A run has one artifact of a name: a Problem where it has it already. */
  begin(subject: JobSubject, wanted: { name: string; mime: string; expiresAt: number | null }): Promise<string>
  /** Keeps what was uploaded, after comparing it with what the client says it sent. */
  finish(
    subject: JobSubject,
    name: string,
    sent: { sizeBytes: number | null; digest: string | null },
  ): Promise<Artifact>
  /** What a run has left, those that have expired left out. */
  ofRun(run: string): Promise<Artifact[]>
  find(project: string, artifact: number): Promise<Artifact | null>
  remove(artifact: Artifact, why: 'deleted' | 'expired', actor: string): Promise<void>
  usage(project: string): Promise<Usage>
  /** Forgets those that have expired, and says which contents are still needed. */
  expire(): Promise<void>
  digests(): Promise<readonly string[]>
}

export type ShelfParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly blobs: Blobs
  readonly limits: ResultsLimits
  readonly directory: string
  /** Held while a content is there that no fact names yet, so that it is not swept. */
  readonly keeping: Mutex
}

const oneDayMs = 24 * 60 * 60_000
/** As on GitHub: docs.github.com/actions/how-tos/writing-workflows/choosing-what-your-workflow-does/storing-and-sharing-data */
const mostOfOneJob = 500

export const createArtifacts = (parts: ShelfParts): Artifacts => {
  const { ledger, store, views, clock, blobs, limits, keeping } = parts
  const tables = () => store.tables<ResultsTables>()

  const usage = async (project: string): Promise<Usage> => {
    const rows = await tables()
      .selectFrom('build_artifacts')
      .select(({ fn }) => ['project', fn.sum<number | string>('size_bytes').as('bytes')])
      .groupBy('project')
      .execute()
    const inAll = rows.reduce((sum, { bytes }) => sum + Number(bytes), 0)
    return { inProject: Number(rows.find((row) => row.project === project)?.bytes ?? 0), inAll }
  }

  const ofRun = async (run: string): Promise<Artifact[]> => {
    await views.reach()
    const rows = await tables()
      .selectFrom('build_artifacts')
      .selectAll()
      .where('run', '=', run)
      .where('expires_at', '>', clock.now())
      .orderBy('artifact')
      .execute()
    return rows.map(artifactOf)
  }

  /** Those that a job has left, and those that it has begun. */
  const countOf = async (run: string, job: string): Promise<number> => {
    const begun = blobs.underWay().filter(({ about }) => {
      const upload = Upload.safeParse(about).data
      return upload?.run === run && upload.job === job
    })
    return begun.length + (await ofRun(run)).filter((one) => one.job === job).length
  }

  const refuseTaken = async (run: string, name: string): Promise<void> => {
    if ((await ofRun(run)).some((one) => one.name === name)) throw taken(name)
  }

  return {
    usage,
    ofRun,
    begin: async (subject, { name, mime, expiresAt }) => {
      const { project, run, job } = subject
      checkName(name)
      await refuseTaken(run, name)
      const longest = clock.now() + limits.artifactDays * oneDayMs
      const until = Math.min(longest, expiresAt ?? longest)
      const about = { project, run, job, attempt: subject.runAttempt, name }
      const upload = { kind: 'artifact' as const, ...about, mime: plainMime(mime), expiresAt: until }
      const room = await roomFor(upload, blobs, { ...parts, usage: () => usage(project) })
      if (room() <= 0) throw noRoom(upload, 0)
      if ((await countOf(run, job)) >= mostOfOneJob) throw tooMany(job)
      const id = uploadName('artifact', run, job, name)
      await blobs.begin(id, upload)
      return id
    },
    finish: async ({ project, repository, run, job }, name, sent) => {
      const id = uploadName('artifact', run, job, name)
      const upload = Upload.safeParse(await blobs.about(id)).data
      if (upload?.kind !== 'artifact') throw noUpload(name)
      const leave = await keeping.enter()
      try {
        await refuseTaken(run, name)
        const content = await blobs.keep(id)
        if (content === null) throw noUpload(name)
        if (sent.sizeBytes !== null && sent.sizeBytes !== content.sizeBytes) throw damaged(name, 'size')
        if (sent.digest !== null && sent.digest !== content.digest) throw damaged(name, 'digest')
        const { mime, expiresAt } = upload
        const payload = { run, job, project, repository, name, ...content, mime, expiresAt }
        const subject = `artifact:${run}/${name}`
        const outcome = await ledger.append([fact(artifactStored, { subject, actor: `job:${run}/${job}`, payload })])
        await blobs.discard(id)
        const recorded = outcome.kind === 'appended' ? outcome.facts[0] : undefined
        if (!recorded) throw new Error('the artifact was not recorded')
        return { ...payload, artifact: recorded.seq, storedAt: recorded.at }
      } finally {
        leave()
      }
    },
    find: async (project, artifact) => {
      await views.reach()
      const row = await tables()
        .selectFrom('build_artifacts')
        .selectAll()
        .where('artifact', '=', artifact)
        .where('project', '=', project)
        .where('expires_at', '>', clock.now())
        .executeTakeFirst()
      return row ? artifactOf(row) : null
    },
    remove: async ({ artifact, run, name, project }, why, actor) => {
      const payload = { artifact, project, why }
      await ledger.append([fact(artifactRemoved, { subject: `artifact:${run}/${name}`, actor, payload })])
    },
    expire: async () => {
      await views.reach()
      const rows = await tables()
        .selectFrom('build_artifacts')
        .selectAll()
        .where('expires_at', '<=', clock.now())
        .execute()
      const facts = rows.map(artifactOf).map(({ artifact, run, name, project }) =>
        fact(artifactRemoved, {
          subject: `artifact:${run}/${name}`,
          actor: 'system:build',
          payload: { artifact, project, why: 'expired' },
        }),
      )
      if (facts.length > 0) await ledger.append(facts)
    },
    digests: async () => {
      await views.reach()
      const rows = await tables().selectFrom('build_artifacts').select('digest').execute()
      return rows.map(({ digest }) => digest)
    },
  }
}

/** What a file with an artifact in it is called. */
export const fileNameOf = ({ name, mime }: Pick<Artifact, 'name' | 'mime'>): string =>
  mime === 'application/zip' ? `${name}.zip` : name

const artifactOf = (row: ResultsTables['build_artifacts']): Artifact => ({
  artifact: Number(row.artifact),
  run: row.run,
  job: row.job,
  project: ProjectName.parse(row.project),
  repository: row.repository,
  name: row.name,
  digest: Digest.parse(row.digest),
  sizeBytes: Number(row.size_bytes),
  mime: row.mime,
  storedAt: Number(row.stored_at),
  expiresAt: Number(row.expires_at),
})

/** What actions/toolkit's packages/artifact path-and-artifact-name-validation.ts refuses, and what no file may be called. */
export const checkName = (name: string): void => {
  if (name !== '' && name.length <= 255 && name !== '.' && name !== '..' && !/[":<>|*?\r\n\\/\0]/.test(name)) return
  throw new Problem({
    kind: 'artifact-name',
    status: 400,
    detail: `${JSON.stringify(name.slice(0, 100))} is no name of an artifact: 1 to 255 characters, without " : < > | * ? \\ / and line breaks`,
    next: 'choose another name',
  })
}

const plainMime = (mime: string): string => (/^[\w.+-]+\/[\w.+-]+$/.test(mime) ? mime : 'application/octet-stream')

/** The words are those that GitHub's own service answers with. */
const taken = (name: string): Problem =>
  new Problem({
    kind: 'already-exists',
    status: 409,
    detail: `an artifact with this name already exists on the workflow run: ${name}`,
    next: 'choose another name for each job (for example with the matrix in it), or set overwrite: true',
  })

const noUpload = (name: string): Problem =>
  new Problem({
    kind: 'not-found',
    status: 404,
    detail: `nothing whole was uploaded as ${name}`,
    next: 'upload it again',
  })

const tooMany = (job: string): Problem =>
  new Problem({
    kind: 'too-many-artifacts',
    status: 413,
    detail: `the job ${job} has left ${mostOfOneJob} artifacts, which is the most`,
    next: 'put several files into one artifact',
  })

const damaged = (name: string, what: string): Problem =>
  new Problem({
    kind: 'damaged-upload',
    status: 400,
    detail: `what arrived as ${name} has another ${what} than what was sent`,
    next: 'upload it again',
  })
