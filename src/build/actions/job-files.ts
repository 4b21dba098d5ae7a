import { Readable } from 'node:stream'
import type { ActionCall, RunOptions } from '../jobs/actions.ts'
import type { StepEnd } from '../jobs/program.ts'
import { isMeant, type PathPattern, searchRoots } from '../results/glob.ts'

export type FoundFile = { readonly path: string; readonly kind: 'file' | 'folder' }

const longestListing = 256 * 1024 * 1024

/**
 * The files and folders of the job that patterns mean, as its own user finds them: links are followed, to whatever that user may read
 * and no further. Hidden ones, and what is in them, are left out unless they are asked for.
 */
export const findFiles = async (
  call: ActionCall,
  patterns: readonly PathPattern[],
  options: { readonly withHidden: boolean },
): Promise<FoundFile[]> => {
  const roots = searchRoots(patterns).flatMap(({ root, depth }) => [root, depth === null ? '' : String(depth)])
  if (roots.length === 0) return []
  const listing = await textFrom(call, ['sh', '-c', finding, options.withHidden ? '' : 'hidden', ...roots])
  return listing
    .split('\0')
    .flatMap((line): FoundFile[] => {
      const [type, path] = [line.slice(0, 1), line.slice(2)]
      if ((type !== 'f' && type !== 'd') || !isMeant(patterns, path)) return []
      return [{ path, kind: type === 'f' ? 'file' : 'folder' }]
    })
    .sort((one, other) => (one.path < other.path ? -1 : 1))
}

/** Folders that cannot be entered end it with 1; they are named in the log. */
const finding = `
set -f
hide=
if [ -n "$0" ]; then hide='-name .?* -prune -o'; fi
while [ $# -gt 0 ]; do
  root=$1 depth=$2
  shift 2
  if [ ! -e "$root" ]; then continue; fi
  find -L "$root" \${depth:+-maxdepth "$depth"} $hide -printf '%y %p\\0' || [ $? -eq 1 ] || exit 2
done
exit 0
`

/** What a program of the job's user prints, whole. Throws an Error when it fails. */
export const textFrom = async (call: ActionCall, argv: readonly [string, ...string[]]): Promise<string> => {
  const { stdout, ended } = await streamFrom(call, argv)
  const chunks: Buffer[] = []
  let seen = 0
  for await (const chunk of asBytes(stdout)) {
    seen += chunk.length
    if (seen > longestListing) throw new Error('these are too many files')
    chunks.push(chunk)
  }
  mustSucceed(await ended)
  return Buffer.concat(chunks).toString()
}

/** Starts a program of the job's user and hands over what it prints, as it comes. */
export const streamFrom = async (
  call: ActionCall,
  argv: readonly [string, ...string[]],
  options: Omit<RunOptions, 'take'> = {},
): Promise<{ readonly stdout: Readable; readonly ended: Promise<StepEnd> }> => {
  const { promise, resolve, reject } = Promise.withResolvers<Readable>()
  const ended = call.run(argv, { ...options, take: resolve })
  // Where it could not even be started nobody takes anything.
  ended.then(({ detail }) => reject(new Error(detail ?? `${argv[0]} printed nothing`)), reject)
  return { stdout: await promise, ended }
}

/** Gives a program of the job's user something to read. Throws an Error when it fails. */
export const streamInto = async (
  call: ActionCall,
  argv: readonly [string, ...string[]],
  content: AsyncIterable<Uint8Array>,
): Promise<void> => {
  const input = Readable.from(content, { objectMode: false })
  const { promise: broken, reject } = Promise.withResolvers<never>()
  broken.catch(() => undefined) // told below, or nobody waits for it any more
  input.once('error', reject)
  const end = await call.run(argv, { input })
  // What went wrong with the content is why the program failed.
  await Promise.race([broken, Promise.resolve()])
  mustSucceed(end)
}

/** The bytes of a stream whose types say less. */
export async function* asBytes(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a stream gave something else than bytes')
    yield chunk
  }
}

export const mustSucceed = ({ outcome, detail }: StepEnd): void => {
  if (outcome !== 'success') throw new Error(detail ?? 'failed')
}
