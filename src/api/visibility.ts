import { z } from 'zod'
import { atLeast, type Identity } from '../access/access.ts'
import type { RecordedFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ProjectName } from '../names.ts'

export type Visibility = {
  /** Whether this identity may see this fact: viewers what is in their projects, administrators of the instance who may do what. */
  maySee(identity: Identity, fact: RecordedFact): Promise<boolean>
}

const rememberedSubjects = 5_000
const Named = z.object({ project: ProjectName })
const Scoped = z.object({ scope: Named })

export const createVisibility = (ledger: Pick<Ledger, 'read'>): Visibility => {
  const projects = new Map<string, ProjectName | null>()

  /** The project that a fact names, or else the one that the first fact about the same thing named. */
  const projectOf = async (fact: RecordedFact): Promise<ProjectName | null> => {
    const own = named(fact.payload)
    if (own) return own
    const known = projects.get(fact.subject)
    if (known !== undefined) return known
    const [first] = await ledger.read({ subject: fact.subject, limit: 1 })
    const project = named(first?.payload)
    const oldest = projects.keys().next().value
    if (projects.size >= rememberedSubjects && oldest !== undefined) projects.delete(oldest)
    projects.set(fact.subject, project)
    return project
  }

  return {
    maySee: async (identity, fact) => {
      if (/^(user|role|token|session|passkey)\./.test(fact.type)) return atLeast(identity.roleIn(null), 'administrator')
      if (atLeast(identity.roleIn(null), 'viewer')) return true
      const project = await projectOf(fact)
      return project !== null && atLeast(identity.roleIn(project), 'viewer')
    },
  }
}

const named = (payload: unknown): ProjectName | null =>
  Named.safeParse(payload).data?.project ?? Scoped.safeParse(payload).data?.scope.project ?? null
