import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { z } from 'zod'
import type { Action, ActionCall } from '../jobs/actions.ts'
import { marked } from '../jobs/output.ts'
import { connectResults, Refusal, type ResultsClient } from '../results/client.ts'
import { commonAncestor, type PathPattern, parsePatterns, searchRoots } from '../results/glob.ts'
import { type ZipInput, zipOf } from '../results/zip.ts'
import { asBytes, type FoundFile, findFiles, mustSucceed, streamFrom } from './job-files.ts'

const Created = z.object({ signed_upload_url: z.string() })
const Finalized = z.object({ artifact_id: z.string() })
const Listed = z.object({ artifacts: z.array(z.object({ name: z.string(), size: z.string(), digest: z.string() })) })
const Done = z.object({})

const oneDayMs = 24 * 60 * 60_000

/**
 * `actions/upload-artifact` (v4: action.yml and src/upload/upload-artifact.ts there): packs the files that `path` means into a zip archive, as
 * the job's own user reads them, and leaves it to later jobs and to people.
 */
export const uploadArtifactAction: Action = async (call) => {
  const given = inputsOf(call.inputs)
  const inputs = { ...given, name: openName(given.name, call) }
  const { workspace } = call
  if (inputs.name !== given.name) call.say(`The artifact's name holds a secret, so it is called ${inputs.name}`)
  const patterns = parsePatterns(inputs.path, { ...workspace, withDescendants: true })
  const found = await findFiles(call, patterns, { withHidden: inputs.withHidden })
  const files = found.filter(({ kind }) => kind === 'file')
  if (files.length === 0) {
    const detail = `No files were found with the provided path: ${inputs.path.trim()}. No artifacts will be uploaded.`
    if (inputs.ifNone === 'error') throw new Error(detail)
    call.say(inputs.ifNone === 'warn' ? marked('warning', detail).trimEnd() : detail)
    return {}
  }
  const root = rootOf(patterns, files)
  const names = files.map(({ path }) => path.slice(root === '/' ? 1 : root.length + 1))
  for (const name of names) refuseOddName(name)
  call.say(`With the provided path, there will be ${names.length} file${names.length === 1 ? '' : 's'} uploaded`)
  const client = connectResults(call)
  const id = await upload(call, client, inputs, root, names)
  const { artifacts } = await client.call(
    'ArtifactService/ListArtifacts',
    { ...client.ids, name_filter: inputs.name },
    Listed,
  )
  const [stored] = artifacts
  if (!stored) throw new Error(`the artifact ${inputs.name} was deleted by another job`)
  call.say(`Artifact ${inputs.name} has been uploaded: ${stored.size} bytes, ${stored.digest}, artifact ID ${id}`)
  const url = `${call.env.GITHUB_API_URL ?? ''}/projects/${call.source.project}/artifacts/${id}/content`
  const digest = stored.digest.replace(/^sha256:/, '')
  return { outputs: { 'artifact-id': id, 'artifact-url': url, 'artifact-digest': digest } }
}

type Inputs = ReturnType<typeof inputsOf>

const upload = async (
  call: ActionCall,
  client: ResultsClient,
  { name, days, level, isOverwriting }: Inputs,
  root: string,
  names: readonly string[],
): Promise<string> => {
  const named = { ...client.ids, name }
  if (isOverwriting)
    await client.call('ArtifactService/DeleteArtifact', named, Done).catch((error: unknown) => {
      if (!(error instanceof Refusal) || error.status !== 404) throw error // there is none yet
    })
  const wanted = {
    ...named,
    version: 7,
    mime_type: 'application/zip',
    ...(days === null ? {} : { expires_at: new Date(Date.now() + days * oneDayMs).toISOString() }),
  }
  const created = await client.call('ArtifactService/CreateArtifact', wanted, Created)
  const argv = ['sh', '-c', tarring, 'tar', '--directory', root, ...packing] as const
  const list = Readable.from([Buffer.from(names.join('\0'))], { objectMode: false })
  const { stdout, ended } = await streamFrom(call, argv, { input: list })
  await client.put(created.signed_upload_url, Readable.from(zipOf(unpacked(stdout), level), { objectMode: false }))
  mustSucceed(await ended)
  const { artifact_id } = await client.call('ArtifactService/FinalizeArtifact', named, Finalized)
  return artifact_id
}

/**
 * GNU tar ends with 1 also where only the time of a file's inode has changed, as when another hard link to it goes. That is no fault; what
 * shrank or went while it was read is.
 */
const tarring = `
export LC_ALL=C
exec 3>&1
said=$(tar "$@" 2>&1 >&3 3>&-) && code=0 || code=$?
if [ -n "$said" ]; then printf '%s\\n' "$said" >&2; fi
if [ "$code" = 1 ] && ! printf '%s\\n' "$said" | grep -qv '^tar: .*: file changed as we read it$'; then code=0; fi
exit "$code"
`

/** Links are packed as what they lead to; with `--null` no name is taken for an option. */
const packing = [
  '--create',
  '--file=-',
  '--dereference',
  '--hard-dereference',
  '--no-recursion',
  '--null',
  '--files-from=-',
]

async function* unpacked(tar: Readable): AsyncGenerator<ZipInput> {
  const entries = extract()
  tar.once('error', (error) => entries.destroy(error))
  tar.pipe(entries)
  for await (const entry of entries) {
    const { name, size = 0, mtime = new Date(), type } = entry.header
    if (type === 'file') yield { name, sizeBytes: size, modifiedAt: mtime, content: asBytes(entry) }
    entry.resume()
  }
}

/** As src/shared/search.ts of actions/upload-artifact: what several paths have in common is not in the archive's names. */
export const rootOf = (patterns: readonly PathPattern[], files: readonly FoundFile[]): string => {
  const roots = searchRoots(patterns).map(({ root }) => root)
  const [first = '/', ...others] = roots
  if (others.length > 0) return commonAncestor(roots)
  return files.length === 1 && files[0]?.path === first ? dirname(first) : first
}

const inputsOf = (inputs: Readonly<Record<string, string>>) => {
  const { name = 'artifact', path = '' } = inputs
  if (path.trim() === '') throw new Error('Input required and not supplied: path')
  return {
    name: name.trim() || 'artifact',
    path,
    ifNone: choice('if-no-files-found', inputs['if-no-files-found'] || 'warn', ['warn', 'error', 'ignore']),
    days: inputs['retention-days'] ? wholeNumber('retention-days', inputs['retention-days'], 0, 3650) || null : null,
    level: wholeNumber('compression-level', inputs['compression-level'] || '6', 0, 9),
    isOverwriting: flag('overwrite', inputs.overwrite),
    withHidden: flag('include-hidden-files', inputs['include-hidden-files']),
  }
}

/** The name by which an artifact is kept, which all may read who may see the run: `_` for each star where a secret was. */
export const openName = (name: string, { hide }: Pick<ActionCall, 'hide'>): string =>
  hide(name) === name ? name : hide(name).replaceAll('***', '___')

/** The booleans of YAML 1.2, as `getBooleanInput` of @actions/core takes them. */
export const flag = (name: string, text: string | undefined): boolean => {
  if (/^(true|True|TRUE)$/.test(text ?? '')) return true
  if (/^(false|False|FALSE)?$/.test(text ?? '')) return false
  throw new Error(`Input does not meet YAML 1.2 "Core Schema" specification: ${name}`)
}

const choice = <const Choice extends string>(name: string, text: string, choices: readonly Choice[]): Choice => {
  const chosen = choices.find((one) => one === text)
  if (chosen === undefined) throw new Error(`${name}: ${text} is none of ${choices.join(', ')}`)
  return chosen
}

const wholeNumber = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`${name}: ${text} is no whole number from ${least} to ${most}`)
}

/** What the toolkit's path-and-artifact-name-validation.ts refuses, as other systems cannot unpack it. */
const refuseOddName = (name: string): void => {
  if (/[":<>|*?\r\n]/.test(name))
    throw new Error(
      `The path for one of the files in artifact is not valid: ${name}. The characters " : < > | * ? and line breaks are not allowed, as other systems cannot unpack them`,
    )
}
