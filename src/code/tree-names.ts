import { spawn } from 'node:child_process'
import { effectSync } from '../effect.ts'

const longestName = 255
const longestPath = 4000
const largestObjectBytes = 64 * 1024 * 1024

/** Why a path may not be in a tree; null when it may. What Git itself refuses (`.git`, `..`, an empty name) is Git's to refuse. */
export const refusePath = (folder: string, name: Buffer): string | null => {
  const path = folder === '' ? name : Buffer.concat([Buffer.from(`${folder}/`), name])
  if (name.length > longestName) return `${show(path)}: a name of more than ${longestName} bytes`
  if (path.length > longestPath) return `${show(path)}: a path of more than ${longestPath} bytes`
  for (const byte of name) if (byte < 0x20 || byte === 0x7f) return `${show(path)}: a control character in a name`
  if (/[\u0080-\u009f\u202a-\u202e\u2066-\u2069]/.test(name.toString('utf8')))
    return `${show(path)}: a character in a name that hides what it says`
  return null
}

/**
 * The first path that is refused among all that these commits bring, through the whole of their new history; null when there is
 * none. `revisions` are arguments of `git rev-list`.
 */
export const findHostilePath = async (
  directory: string,
  revisions: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string | null> => {
  const prefix = ['--git-dir', directory]
  const options = { env: { ...env }, cwd: directory }
  const list = effectSync('code.list-new-trees', () =>
    spawn('git', [...prefix, 'rev-list', '--objects', '--filter=blob:none', ...revisions], {
      ...options,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  const batch = effectSync('code.read-new-trees', () =>
    spawn('git', [...prefix, 'cat-file', '--batch=%(objecttype) %(objectsize) %(rest)', '--buffer'], {
      ...options,
      stdio: [list.stdout, 'pipe', 'ignore'],
    }),
  )
  list.stdout.destroy() // the other's own now
  const endings = Promise.all([ending(list), ending(batch)])
  endings.catch(() => {}) // waited for below
  try {
    for await (const { type, folder, body } of objectsOf(batch.stdout)) {
      if (body === null) return `${show(Buffer.from(folder))}: a ${type} of more than ${largestObjectBytes} bytes`
      if (type !== 'tree') continue
      for (const name of namesIn(body)) {
        const refusal = refusePath(folder, name)
        if (refusal !== null) return refusal
      }
    }
    const exitCodes = await endings
    if (exitCodes.some((code) => code !== 0)) throw new Error(`git could not list what was pushed (${exitCodes})`)
    return null
  } finally {
    list.kill('SIGKILL')
    batch.kill('SIGKILL')
    await endings.catch(() => {})
  }
}

const ending = (child: ReturnType<typeof spawn>): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })

type BatchObject = { readonly type: string; readonly folder: string; readonly body: Buffer | null }

/** Reads what `cat-file --batch` prints: a header line, as many bytes as it says, a line break. What is too large ends it, without its body. */
async function* objectsOf(output: AsyncIterable<Buffer>): AsyncGenerator<BatchObject> {
  let held: Buffer[] = []
  let heldBytes = 0
  let wanted = 0
  for await (const chunk of output) {
    held.push(chunk)
    heldBytes += chunk.length
    if (heldBytes < wanted) continue
    let bytes = held.length === 1 ? chunk : Buffer.concat(held)
    wanted = 0
    for (;;) {
      const end = bytes.indexOf(10)
      if (end < 0) break
      const header = bytes.toString('utf8', 0, end)
      const [, type, size, folder] = /^(\S+) (\d+) (.*)$/s.exec(header) ?? []
      if (type === undefined) throw new Error(`git cat-file said: ${header.slice(0, 100)}`)
      if (Number(size) > largestObjectBytes) return yield { type, folder: folder ?? '', body: null }
      const after = end + 1 + Number(size)
      if (bytes.length <= after) {
        wanted = after + 1
        break
      }
      yield { type, folder: folder ?? '', body: bytes.subarray(end + 1, after) }
      bytes = bytes.subarray(after + 1)
    }
    held = bytes.length > 0 ? [bytes] : []
    heldBytes = bytes.length
  }
}

/** The names in a tree object: `<mode> <name>\0<object>`; objects have 20 bytes, or 32 in a SHA-256 repository, of which there are none here. */
function* namesIn(tree: Buffer): Generator<Buffer> {
  for (let at = 0; at < tree.length; ) {
    const space = tree.indexOf(32, at)
    const zero = tree.indexOf(0, space)
    if (space < 0 || zero < 0) return
    yield tree.subarray(space + 1, zero)
    at = zero + 21
  }
}

const show = (path: Buffer): string => {
  const text = JSON.stringify(path.toString('utf8')).replace(/[\u0080-\u009f\u202a-\u202e\u2066-\u2069]/g, '\uFFFD')
  return text.length > 120 ? `${text.slice(0, 120)}…"` : text
}
