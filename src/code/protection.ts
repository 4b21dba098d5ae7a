import { z } from 'zod'
import { atLeast } from '../access/access.ts'
import { Role } from '../access/facts.ts'
import { showRef } from './ref-names.ts'

/** Who may push to a protected branch: those of at least this role, or nobody, when it takes nothing but changes. */
export const DirectPush = z.enum([...Role.exclude(['viewer']).options, 'nobody'])
export type DirectPush = z.infer<typeof DirectPush>

/** What is kept safe in a repository: branches that are not deleted, not forced unless that is allowed, and who may push them. */
export type Protection = {
  readonly branches: readonly string[]
  readonly allowForce: boolean
  readonly push: DirectPush
}
export const defaultProtection: Protection = { branches: ['main', 'master'], allowForce: false, push: 'developer' }

/** Whether somebody with this role may move a branch without a change. */
export const mayPushDirectly = ({ branches, push }: Protection, branch: string, role: Role | null): boolean =>
  !branches.includes(branch) || (push !== 'nobody' && atLeast(role, push))

/** What is said to who may not. */
export const takesChanges = ({ push }: Protection, branch: string): string =>
  `${showRef(branch)} is protected: ${push === 'nobody' ? 'it takes changes only' : `only the role ${push} pushes to it, everybody else proposes changes`}; git push headway HEAD:my-branch -o change`
