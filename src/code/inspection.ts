import { realpathSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Role } from '../access/facts.ts'
import { describeSize } from '../duration.ts'
import { shortCommit } from '../names.ts'
import { run } from '../processes/run.ts'
import type { HookCall, RefUpdate } from './dialogue.ts'
import { git, gitEnvironment } from './git.ts'
import { mayPushDirectly, type Protection, takesChanges } from './protection.ts'
import { refuseRefNames } from './ref-names.ts'
import { findHostilePath } from './tree-names.ts'

export type Verdict = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly lines: readonly string[] }

/** What speaks against updates, in lines to show; the variables let Git read objects that are still in quarantine. */
export type Examination = (
  updates: readonly RefUpdate[],
  variables: Readonly<Record<string, string>>,
) => Promise<readonly string[]>

/** With less room on the disk than this no push is taken: what it leads to would fail half-way. */
const leastRoomBytes = 16 * 1024 * 1024

/** Judges a push by somebody of this role before anything has changed. Its objects are still in quarantine, where only it sees them. */
export const inspectPush = async (
  directory: string,
  call: HookCall,
  protection: Protection,
  role: Role | null,
  examine: Examination = async () => [],
): Promise<Verdict> => {
  const room = await statfs(directory)
  const roomBytes = room.bavail * room.bsize
  if (roomBytes < leastRoomBytes)
    return refused([
      `the disk is full where Headway keeps its data (${describeSize(roomBytes)} left): nothing was changed`,
      'make room there, then push again',
    ])
  const names = refuseRefNames(call.updates.map(({ ref }) => ref))
  if (names.length > 0) return refused(names)
  if (call.options.length > 32)
    return refused(['more than 32 push options: the known ones are async, wait=..., change, title=... and target=...'])
  const env = { ...gitEnvironment, ...quarantineOf(directory, call.quarantine) }
  const guarded = call.updates.filter(({ ref }) => protection.branches.includes(nameOf(ref)))
  const direct = guarded.filter(({ ref, before }) => before !== null && !mayPushDirectly(protection, nameOf(ref), role))
  if (direct.length > 0) return refused(direct.map(({ ref }) => takesChanges(protection, nameOf(ref))))
  const losses = await Promise.all(guarded.map((update) => refuseLoss(directory, update, protection, env)))
  const lost = losses.flatMap((line) => line ?? [])
  if (lost.length > 0) return refused(lost)
  const fresh = call.updates.flatMap(({ after }) => after ?? [])
  if (fresh.length === 0) return { kind: 'accepted' }
  const path = await findHostilePath(directory, [...new Set(fresh), '--not', '--all'], env)
  if (path !== null)
    return refused([`the push holds a path that is not taken: ${path}; rename it in the commit that brings it`])
  const objections = await examine(call.updates, env)
  return objections.length === 0 ? { kind: 'accepted' } : refused(objections)
}

const nameOf = (ref: string): string => ref.replace('refs/heads/', '')

const refuseLoss = async (
  directory: string,
  { ref, before, after }: RefUpdate,
  { allowForce }: Protection,
  env: Readonly<Record<string, string>>,
): Promise<string | null> => {
  const branch = nameOf(ref)
  if (before === null) return null
  if (after === null) return `${branch} is protected and cannot be deleted`
  if (allowForce) return null
  const { exitCode } = await run(git(directory, ['merge-base', '--is-ancestor', before, after], { env }))
  if (exitCode === 0) return null
  return `${branch} is protected: ${shortCommit(after)} does not contain ${shortCommit(before)}, which would be lost; pull and merge first (git pull --rebase headway ${branch})`
}

const quarantineOf = (directory: string, named: string | null): Record<string, string> => {
  const objects = join(directory, 'objects')
  const quarantine = named === null ? null : resolve(directory, named) // Git says `<directory>/./objects/...`
  const places = [objects, join(realpathSync(directory), 'objects')]
  if (!quarantine || !places.some((place) => quarantine.startsWith(`${place}/`))) return {}
  return {
    GIT_OBJECT_DIRECTORY: quarantine,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    GIT_QUARANTINE_PATH: quarantine,
  }
}

const refused = (lines: readonly string[]): Verdict => ({ kind: 'refused', lines })
