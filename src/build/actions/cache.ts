import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { describeError } from '../../problem.ts'
import type { Action, ActionCall } from '../jobs/actions.ts'
import { marked } from '../jobs/output.ts'
import { connectResults, Refusal } from '../results/client.ts'
import { parsePatterns } from '../results/glob.ts'
import { findFiles, streamFrom, streamInto, textFrom } from './job-files.ts'
import { flag } from './upload-artifact.ts'

const Found = z.object({
  ok: z.boolean(),
  signed_download_url: z.string().default(''),
  matched_key: z.string().default(''),
})
const Reserved = z.object({
  ok: z.boolean(),
  signed_upload_url: z.string().default(''),
  message: z.string().default(''),
})
const Saved = z.object({ ok: z.boolean() })

/** `actions/cache` (v4: src/restoreImpl.ts and src/saveImpl.ts there): restores now, and saves when the job has succeeded. */
export const cacheAction: Action = async (call) => {
  const { outputs, matched } = await restore(call)
  const primary = outputs['cache-primary-key'] ?? ''
  const save = async (later: ActionCall): Promise<void> => {
    if (isSame(primary, matched)) later.say(`Cache hit occurred on the primary key ${primary}, not saving cache.`)
    else await saveQuietly(later, primary)
  }
  return { outputs, post: { condition: 'success()', run: save } }
}

/** `actions/cache/restore` */
export const restoreCacheAction: Action = async (call) => ({ outputs: (await restore(call)).outputs })

/** `actions/cache/save` */
export const saveCacheAction: Action = async (call) => {
  await saveQuietly(call, required(call, 'key'))
  return {}
}

const restore = async (
  call: ActionCall,
): Promise<{ readonly outputs: Readonly<Record<string, string>>; readonly matched: string | null }> => {
  const { inputs } = call
  const key = required(call, 'key')
  const paths = linesOf(required(call, 'path'))
  const others = linesOf(inputs['restore-keys'] ?? '')
  if (others.length > 9) throw new Error('Key Validation Error: Keys are limited to a maximum of 10.')
  for (const one of [key, ...others]) refuseOddKey(one)
  const matched = await fetchCache(call, key, others, paths).catch((error: unknown) => {
    // A cache only saves time: what goes wrong with it is said, and the job goes on without.
    call.say(marked('warning', `Failed to restore: ${describeError(error)}`).trimEnd())
    return null
  })
  if (matched === null) {
    if (flag('fail-on-cache-miss', inputs['fail-on-cache-miss']))
      throw new Error(`Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: ${key}`)
    call.say(`Cache not found for input keys: ${[key, ...others].join(', ')}`)
    return { outputs: { 'cache-primary-key': key }, matched }
  }
  const outputs = { 'cache-primary-key': key, 'cache-matched-key': matched, 'cache-hit': String(isSame(key, matched)) }
  return { outputs, matched }
}

const fetchCache = async (
  call: ActionCall,
  key: string,
  restoreKeys: readonly string[],
  paths: readonly string[],
): Promise<string | null> => {
  const client = connectResults(call)
  const compression = await compressionOf(call)
  const asked = { key, restore_keys: restoreKeys, version: versionOf(paths, compression) }
  const found = await client.call('CacheService/GetCacheEntryDownloadURL', asked, Found)
  if (!found.ok) return null
  if (flag('lookup-only', call.inputs['lookup-only'])) {
    call.say(`Cache found and can be restored from key: ${found.matched_key}`)
    return found.matched_key
  }
  const source = await client.source(found.signed_download_url)
  const unpack = compression === 'gzip' ? ['-z'] : ['--use-compress-program', 'unzstd']
  const argv = ['tar', '-xf', '-', '-P', '-C', call.workspace.work, ...unpack] as const
  await streamInto(call, argv, await source.stream())
  call.say(`Cache restored from key: ${found.matched_key} (${source.sizeBytes} bytes)`)
  return found.matched_key
}

const saveQuietly = async (call: ActionCall, key: string): Promise<void> => {
  const paths = linesOf(required(call, 'path'))
  refuseOddKey(key)
  try {
    await save(call, key, paths)
  } catch (error) {
    if (error instanceof Refusal && error.status === 409)
      return call.say(`Failed to save: Unable to reserve cache with key ${key}: ${error.message}`)
    call.say(marked('warning', `Failed to save: ${describeError(error)}`).trimEnd())
  }
}

const save = async (call: ActionCall, key: string, paths: readonly string[]): Promise<void> => {
  const { workspace } = call
  const patterns = parsePatterns(paths.join('\n'), { ...workspace, withDescendants: false })
  const found = await findFiles(call, patterns, { withHidden: true })
  if (found.length === 0)
    throw new Error(
      'Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being saved.',
    )
  const client = connectResults(call)
  const compression = await compressionOf(call)
  const named = { key, version: versionOf(paths, compression) }
  const reserved = await client.call('CacheService/CreateCacheEntry', named, Reserved)
  if (!reserved.ok) throw new Error(reserved.message)
  const pack = compression === 'gzip' ? ['-z'] : ['--use-compress-program', 'zstdmt']
  const names = found.map(({ path }) => posix.relative(workspace.work, path) || '.')
  const list = Readable.from([Buffer.from(names.join('\0'))], { objectMode: false })
  const argv = [
    'tar',
    '--posix',
    '-cf',
    '-',
    '-P',
    '-C',
    workspace.work,
    '--null',
    '--files-from',
    '-',
    ...pack,
  ] as const
  const { stdout, ended } = await streamFrom(call, argv, { input: list })
  await client.put(reserved.signed_upload_url, stdout)
  const { exitCode, detail } = await ended
  // GNU tar ends with 1 when a file changed while it was read.
  if (exitCode !== 0 && exitCode !== 1) throw new Error(detail ?? 'tar failed')
  await client.call('CacheService/FinalizeCacheEntryUpload', named, Saved)
  call.say(`Cache saved with key: ${key}`)
}

type Compression = 'gzip' | 'zstd-without-long'

/** As internal/cacheUtils.ts of @actions/cache: zstd where it is installed. */
const compressionOf = async (call: ActionCall): Promise<Compression> =>
  (await textFrom(call, ['sh', '-c', 'command -v zstdmt || true'])) === '' ? 'gzip' : 'zstd-without-long'

/** The version that the toolkit's client gives to the same paths, so that both find what the other has saved. */
const versionOf = (paths: readonly string[], compression: Compression): string =>
  createHash('sha256')
    .update([...paths, compression, '1.0'].join('|'))
    .digest('hex')

/** As `isExactKeyMatch` of actions/cache, src/utils/actionUtils.ts. */
const isSame = (key: string, matched: string | null): boolean =>
  matched !== null && matched.localeCompare(key, undefined, { sensitivity: 'accent' }) === 0

const refuseOddKey = (key: string): void => {
  if (key.length > 512) throw new Error(`Key Validation Error: ${key} cannot be larger than 512 characters.`)
  if (key.includes(',')) throw new Error(`Key Validation Error: ${key} cannot contain commas.`)
}

const required = ({ inputs }: ActionCall, name: string): string => {
  const value = inputs[name]?.trim()
  if (!value) throw new Error(`Input required and not supplied: ${name}`)
  return value
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.replace(/^!\s+/, '!').trim())
    .filter((line) => line !== '')
