import { cacheAction, restoreCacheAction, saveCacheAction } from './actions/cache.ts'
import { checkoutAction } from './actions/checkout.ts'
import { dependenciesAction } from './actions/dependencies.ts'
import { downloadArtifactAction } from './actions/download-artifact.ts'
import { setupAction, setupKinds } from './actions/setup.ts'
import { setupJavaAction } from './actions/setup-java.ts'
import { uploadArtifactAction } from './actions/upload-artifact.ts'
import type { DependencyCache } from './dependencies.ts'
import type { RepositoryPath } from './git.ts'
import type { Actions } from './jobs/actions.ts'
import type { Toolchain } from './toolchain.ts'

/** What runs workflows, GitHub's parser included: loaded with the first push, so that an idle server does not carry it. */
export { conductRun } from './conduct.ts'
export { listDispatchable } from './dispatchable.ts'
export { headerOf, titleOf } from './header.ts'
export { ownersAt, parseAll, planStarts } from './plan.ts'
export { createLocalExecutor } from './runners/local.ts'
export { openSandbox, sweepSandbox } from './sandbox/choose.ts'
export { readInputs } from './workflow/inputs.ts'
export { namesInWorkflow } from './workflow/names.ts'
export { parseWorkflow } from './workflow/parse.ts'

/** The actions that come with Headway. */
export const builtInActions = (
  repositoryPath: RepositoryPath,
  toolchain: Toolchain,
  dependencies: DependencyCache,
): Actions =>
  new Map([
    ['actions/cache', cacheAction],
    ['actions/cache/restore', restoreCacheAction],
    ['actions/cache/save', saveCacheAction],
    ['actions/checkout', checkoutAction(repositoryPath)],
    ['actions/download-artifact', downloadArtifactAction],
    ['actions/setup-java', setupJavaAction(toolchain)],
    ['actions/upload-artifact', uploadArtifactAction],
    ['headway/dependencies', dependenciesAction(dependencies)],
    ...Object.entries(setupKinds).map(([name, kind]) => [name, setupAction(kind, toolchain)] as const),
  ])
