import { createHash } from 'node:crypto'
import { InstanceId, type Owner } from '../agent/protocol.ts'
import {
  type CommitId,
  type Digest,
  defaultEnvironment,
  defaultProject,
  EnvironmentName,
  ProjectName,
  type ServiceKey,
  ServiceName,
} from '../names.ts'

/** What a deployment changes: one service in one environment. Never two rollouts of one target at once. */
export type Target = ServiceKey & { readonly environment: EnvironmentName }

/** The target as one word: `default/shop/production`. It is also how routes and traffic name it. */
export const targetLabel = ({ project, service, environment }: Target): string => `${project}/${service}/${environment}`

/** The target that a label names; null when it is nobody's. */
export const parseTargetLabel = (label: string): Target | null => targetFrom(label.split('/'), 0, 1, 2)

/** Where the desired state of a target stands in the environments repository. */
export const desiredPath = ({ project, service, environment }: Target): string =>
  `${environment}/${project}/${service}.yaml`

/** The target whose desired state a file holds; null for a file that is none of ours. */
export const parseDesiredPath = (path: string): Target | null =>
  path.endsWith('.yaml') ? targetFrom(path.slice(0, -'.yaml'.length).split('/'), 1, 2, 0) : null

/** Whose instance it is, when it is that of a service. */
export const targetOfOwner = (owner: Owner): Target | null =>
  targetFrom([owner.project, owner.service, owner.environment], 0, 1, 2)

/** The name under which the edge serves a target by itself; that of production is the short one. Configured hosts come on top. */
export const defaultHost = ({ project, service, environment }: Target): string =>
  [
    service,
    ...(environment === defaultEnvironment ? [] : [environment]),
    ...(project === defaultProject ? [] : [project]),
    'localhost',
  ].join('.')

/** What a command of `headway` needs to mean this target: production is what it means by itself. */
export const environmentOption = ({ environment }: Pick<Target, 'environment'>): string =>
  environment === defaultEnvironment ? '' : ` --environment ${environment}`

/** Instances are named by their deployment, so that a start that is tried again finds those of the first try. */
export const instanceIds = (service: ServiceName, deployment: string, replicas: number): string[] =>
  Array.from({ length: replicas }, (_, index) =>
    InstanceId.parse(`${service}.${deployment.replace(/^deployment-/, '')}.${index + 1}`),
  )

/** The name of the one deployment that an event asks for: seen twice, it is still the same deployment. */
export const deploymentIdFor = (event: string): string =>
  `deployment-${createHash('sha256').update(event).digest('hex').slice(0, 17)}`

export const ownerOf = (target: Target, release: Digest, commit: CommitId): Owner => ({
  project: target.project,
  service: target.service,
  environment: target.environment,
  release,
  commit,
})

const targetFrom = (parts: readonly string[], project: number, service: number, environment: number): Target | null => {
  const names = {
    project: ProjectName.safeParse(parts[project]),
    service: ServiceName.safeParse(parts[service]),
    environment: EnvironmentName.safeParse(parts[environment]),
  }
  if (parts.length !== 3 || !names.project.success || !names.service.success || !names.environment.success) return null
  return { project: names.project.data, service: names.service.data, environment: names.environment.data }
}
