import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { explanationText } from '../golden/index.ts'
import { CommitId, Digest, ProjectName, RepositoryName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { PackageStage } from './index.ts'

const ListedRelease = z
  .object({
    digest: Digest,
    project: ProjectName,
    service: ServiceName,
    commit: CommitId,
    repository: RepositoryName,
    path: z.string(),
    push: z.string(),
    sizeBytes: z.number(),
    createdAt: z.number(),
  })
  .meta({ id: 'Release' })

const inService = z.object({ project: ProjectName, service: ServiceName })
const viewer = { role: 'viewer', in: 'project' } as const

/** The releases of a service, one of them with what it runs, and what its headway.yaml stands for. */
export const packageRoutes = (stage: PackageStage) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/services/{service}/releases',
        request: { params: inService },
        responses: {
          200: json(z.object({ releases: z.array(ListedRelease) }), 'The releases that are kept, newest first.'),
        },
      }),
      async (context) => {
        const { project, service } = context.req.valid('param')
        return context.json({ releases: await stage.list(project, service) }, 200)
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/services/{service}/releases/{digest}',
        request: { params: inService.extend({ digest: Digest }) },
        responses: {
          200: json(
            ListedRelease.extend({
              argv: z.array(z.string()),
              workingDirectory: z.string(),
              toolchain: z.object({ program: z.string(), range: z.string().nullable() }).nullable(),
            }),
            'A release and how it is started.',
          ),
        },
      }),
      async (context) => {
        const { project, service, digest } = context.req.valid('param')
        const listed = (await stage.list(project, service)).find((release) => release.digest === digest)
        const release = listed ? await stage.open(digest) : null
        if (!listed || !release) throw unknownRelease(service, digest)
        const { argv, workingDirectory, toolchain } = release
        return context.json({ ...listed, argv: [...argv], workingDirectory, toolchain }, 200)
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/services/{service}/explain',
        request: { params: inService },
        responses: {
          200: json(
            z.object({ explanation: z.record(z.string(), z.unknown()), text: z.string() }),
            "Everything that the headway.yaml of the service's newest release stands for.",
          ),
        },
      }),
      async (context) => {
        const { project, service } = context.req.valid('param')
        const explanation = await stage.explain(project, service)
        if (!explanation)
          throw new Problem({
            kind: 'service-unknown',
            status: 404,
            detail: `no release of ${service} in the project ${project}`,
            next: 'push a repository with a headway.yaml of that name: git push headway main',
          })
        return context.json({ explanation: { ...explanation }, text: explanationText(explanation) }, 200)
      },
    )

const unknownRelease = (service: string, digest: string): Problem =>
  new Problem({
    kind: 'release-unknown',
    status: 404,
    detail: `${service} has no release ${digest}`,
    next: `headway releases ${service} lists those that are kept`,
  })
