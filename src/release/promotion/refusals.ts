import { type EnvironmentDefinition, type Target, targetLabel } from '../../deploy/index.ts'
import { type CommitId, type EnvironmentName, type ProjectName, type ServiceKey, shortCommit } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Promotion } from './promotion.ts'
import type { Opening } from './windows.ts'

export const promotionNotFound = (project: ProjectName, id: string): Problem =>
  new Problem({
    kind: 'promotion-not-found',
    status: 404,
    detail: `there is no promotion ${id} in ${project}`,
    next: 'headway promotions lists them',
  })

export const nothingToPromote = (key: ServiceKey, from: string, word: string | null): Problem => {
  const where = from === 'push' ? 'was made' : `has succeeded in ${from}`
  return new Problem({
    kind: 'nothing-to-promote',
    status: 409,
    detail: `no release of ${key.project}/${key.service}${word === null ? '' : ` that begins with ${word}`} ${where}`,
    next: from === 'push' ? 'git push headway main' : `headway deployments ${key.service} shows how it fares there`,
  })
}

export const alreadyThere = ({ service, environment }: Target, commit: CommitId): Problem =>
  new Problem({
    kind: 'already-there',
    status: 409,
    detail: `${shortCommit(commit)} runs in ${environment} already`,
    next: `headway deploy ${service} --environment ${environment} deploys it again`,
  })

export const approvalProblem = ({ id, target }: Promotion, { why, detail }: { why: string; detail: string }): Problem =>
  new Problem({
    kind: `approval-refused-${why}`,
    status: why === 'author' || why === 'role' || why === 'no-person' ? 403 : 409,
    detail: `${id} into ${target.environment} is not approved: ${detail}`,
    next:
      why === 'expired' || why === 'ended'
        ? `headway promote ${target.service} --to ${target.environment} asks for it again`
        : why === 'role'
          ? 'headway promotions shows who may approve; a token is a developer’s unless it was made with --role'
          : 'headway promotions shows who else may approve',
  })

export const endedAlready = ({ id, ended }: Promotion): Problem =>
  new Problem({
    kind: 'promotion-ended',
    status: 409,
    detail: `${id} was ${ended?.outcome} already`,
    next: 'headway promotions lists the open ones',
  })

export const closedNow = (opening: Exclude<Opening, { kind: 'open' }>): Problem =>
  new Problem({
    kind: opening.kind === 'freeze' ? 'environment-frozen' : 'outside-window',
    status: 409,
    detail: opening.detail,
    next: 'headway rollback goes back at any time; headway environments shows when it opens',
  })

export const promotionNeeded = (
  { service, environment }: Target,
  { promote }: EnvironmentDefinition,
  commit: CommitId,
): Problem =>
  new Problem({
    kind: 'promotion-needed',
    status: 409,
    detail: `${environment} takes releases from ${promote.from}${promote.policy === 'automatic' ? '' : ` by ${promote.policy}`}, and ${shortCommit(commit)} has not succeeded in ${environment} before`,
    next: `headway promote ${service} --to ${environment} --release ${shortCommit(commit)}`,
  })

export const heldCommit = ({ id, target, held, ended }: Promotion): Problem =>
  new Problem({
    kind: 'promotion-held',
    status: 409,
    detail: `the commit to ${targetLabel(target)} is not carried out: ${held?.detail ?? ended?.detail ?? 'it waits'}`,
    next: `headway promotions ${target.service} shows ${id}`,
  })

export const freezeOver = (until: number): Problem =>
  new Problem({
    kind: 'freeze-over',
    status: 422,
    detail: `that freeze would have ended at ${new Date(until).toISOString()}`,
    next: 'give a time to come, or none: headway unfreeze lifts it then',
  })

export const notFrozen = (environment: EnvironmentName): Problem =>
  new Problem({
    kind: 'not-frozen',
    status: 409,
    detail: `nobody has frozen ${environment}`,
    next: 'headway environments shows what is planned; a freeze of its environment.yaml is lifted there',
  })
