import { createHash } from 'node:crypto'
import { join, matchesGlob, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { z } from 'zod'
import type { Action, ActionCall } from '../jobs/actions.ts'
import { connectResults, type ResultsClient } from '../results/client.ts'
import { type ByteSource, entriesOf, type ZipEntry } from '../results/zip.ts'
import { asBytes, streamInto } from './job-files.ts'
import { flag, openName } from './upload-artifact.ts'

/** An artifact that can be downloaded, of this run or of another. */
type Offer = { readonly id: string; readonly name: string; readonly digest: string; address(): Promise<string> }

const Listed = z.object({
  artifacts: z.array(
    z.object({
      workflow_run_backend_id: z.string(),
      workflow_job_run_backend_id: z.string(),
      database_id: z.string(),
      name: z.string(),
      digest: z.string(),
    }),
  ),
})
const Signed = z.object({ signed_url: z.string() })
const OfRun = z.object({
  artifacts: z.array(z.object({ artifact: z.number(), name: z.string(), digest: z.string() })),
})

/**
 * `actions/download-artifact` (v4: src/download-artifact.ts there): unpacks artifacts of this run, or with `run-id` and `github-token` of
 * another one of the project, as the job's own user.
 */
export const downloadArtifactAction: Action = async (call) => {
  const { inputs, workspace } = call
  const { path = '' } = inputs
  const name = openName(inputs.name ?? '', call)
  const pattern = openName(inputs.pattern ?? '', call)
  const isMerging = flag('merge-multiple', inputs['merge-multiple'])
  const ids = (inputs['artifact-ids'] ?? '').split(/[\s,]+/).filter((id) => id !== '')
  const client = connectResults(call)
  const offers = await offersOf(call, client)
  const isWanted = (offer: Offer): boolean =>
    name !== ''
      ? offer.name === name
      : ids.length > 0
        ? ids.includes(offer.id)
        : pattern === '' || matchesGlob(offer.name, pattern)
  const wanted = offers.filter(isWanted)
  if (name !== '' && wanted.length === 0)
    throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}${thereAre(offers)}`)
  const target = resolve(workspace.work, path.replace(/^~(?=\/|$)/, workspace.home))
  for (const offer of wanted) {
    const isOwnFolder = name === '' && !isMerging
    const folder = isOwnFolder ? join(target, offer.name) : target
    call.say(`Downloading ${offer.name} (ID: ${offer.id}) into ${folder}`)
    await unpackInto(call, await client.source(await offer.address()), offer, folder)
  }
  call.say(`Total of ${wanted.length} artifact(s) downloaded`)
  return { outputs: { 'download-path': target } }
}

const offersOf = async (call: ActionCall, client: ResultsClient): Promise<Offer[]> => {
  const run = call.inputs['run-id'] || call.source.run
  if (run !== call.source.run) return offersOfOther(call, client, run)
  const { artifacts } = await client.call('ArtifactService/ListArtifacts', { ...client.ids }, Listed)
  return artifacts.map(({ database_id: id, digest, ...named }) => ({
    id,
    name: named.name,
    digest,
    address: async () => (await client.call('ArtifactService/GetSignedArtifactURL', named, Signed)).signed_url,
  }))
}

/** Of another run it is the API that tells, to whoever has a token for it. */
const offersOfOther = async (
  { inputs, services, source }: ActionCall,
  client: ResultsClient,
  run: string,
): Promise<Offer[]> => {
  const token = inputs['github-token']
  if (!token) throw new Error(`run-id: ${run} is another run, which needs a github-token with actions: read`)
  const project = (inputs.repository ?? '').split('/')[0] || source.project
  const base = `${services.ACTIONS_RESULTS_URL ?? ''}api/v1/projects/${encodeURIComponent(project)}`
  const { artifacts } = await client.get(`${base}/runs/${encodeURIComponent(run)}/artifacts`, token, OfRun)
  return artifacts.map(({ artifact, name, digest }) => ({
    id: String(artifact),
    name,
    digest,
    address: () => client.redirect(`${base}/artifacts/${artifact}/content`, token),
  }))
}

const thereAre = (offers: readonly Offer[]): string =>
  offers.length === 0
    ? '; the run has left none, or they have expired'
    : `; there are ${offers.map(({ name }) => name).join(', ')}`

const unpackInto = async (call: ActionCall, source: ByteSource, offer: Offer, folder: string): Promise<void> => {
  const hash = createHash('sha256')
  const hashed = { ...source, stream: async () => through(await source.stream(), hash) }
  const entries = source.mime === 'application/zip' ? entriesOf(hashed) : onlyFile(hashed, offer.name)
  const argv = ['sh', '-c', 'mkdir -p -- "$0" && exec tar --extract --file=- --directory "$0"', folder] as const
  await streamInto(call, argv, tarOf(entries))
  const digest = `sha256:${hash.digest('hex')}`
  if (digest !== offer.digest)
    throw new Error(`the artifact ${offer.name} arrived damaged: it has the digest ${digest}, not ${offer.digest}`)
}

async function* through(bytes: AsyncIterable<Uint8Array>, hash: { update(chunk: Uint8Array): unknown }) {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
}

/** What was uploaded as it is, without an archive around it. */
async function* onlyFile(source: ByteSource, name: string): AsyncGenerator<ZipEntry> {
  const content = async function* () {
    for await (const chunk of await source.stream()) yield Buffer.from(chunk)
  }
  yield { name, isDirectory: false, sizeBytes: source.sizeBytes, content: content() }
}

/** The entries as a tar archive, which a program of the job's user unpacks. */
async function* tarOf(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Uint8Array> {
  const tar = pack()
  const filling = (async () => {
    for await (const { name, isDirectory, sizeBytes, content } of entries) {
      if (isDirectory) {
        tar.entry({ name, type: 'directory', mode: 0o755 })
        continue
      }
      const file = tar.entry({ name, size: sizeBytes, mode: 0o644 })
      await pipeline(content, file)
    }
    tar.finalize()
  })()
  filling.catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))))
  yield* asBytes(tar)
  await filling
}
