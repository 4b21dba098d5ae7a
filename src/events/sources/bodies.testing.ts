/**
 * Bodies as other systems send them. None was captured from a running system: each was written by hand from the payloads that its maker
 * documents (named beside it), cut to some of the fields that are documented, with names of our own.
 */

const sha = (digit: string): string => digit.repeat(40)
export const [before, first, second] = [sha('a'), sha('b'), sha('c')]
const repository = { id: 1, full_name: 'octo/shop', name: 'shop', private: true, default_branch: 'main' }
const sender = { login: 'octocat', id: 1, type: 'User' }

/** docs.github.com/webhooks/webhook-events-and-payloads */
export const github = {
  push: {
    ref: 'refs/heads/main',
    before,
    after: second,
    created: false,
    deleted: false,
    forced: false,
    repository,
    pusher: { name: 'octocat', email: 'octocat@example.test' },
    commits: [
      { id: first, message: 'Count stock', timestamp: '2026-06-01T10:00:00+02:00', author: { name: 'Octo' } },
      { id: second, message: `Revert "Count"\n\nThis reverts commit ${first}.`, timestamp: '2026-06-01T08:30:00Z' },
    ],
    sender,
  },
  pullRequest: {
    action: 'closed',
    number: 12,
    pull_request: {
      ...{ id: 3, number: 12, state: 'closed', title: 'Count stock', merged: true, merge_commit_sha: second },
      ...{ created_at: '2026-06-01T07:00:00Z', updated_at: '2026-06-01T08:30:00Z', merged_at: '2026-06-01T08:30:00Z' },
      ...{ closed_at: '2026-06-01T08:30:00Z', additions: 30, deletions: 4, commits: 1, draft: false },
      ...{ head: { ref: 'stock', sha: first }, base: { ref: 'main', sha: before } },
    },
    repository,
    sender,
  },
  workflowRun: {
    action: 'completed',
    workflow_run: {
      ...{ id: 77, name: 'CI', path: '.github/workflows/ci.yml', head_branch: 'main', head_sha: second, run_number: 4 },
      ...{ event: 'push', status: 'completed', conclusion: 'failure', run_attempt: 2 },
      ...{
        created_at: '2026-06-01T08:31:00Z',
        run_started_at: '2026-06-01T08:40:00Z',
        updated_at: '2026-06-01T08:45:00Z',
      },
    },
    workflow: { id: 5, name: 'CI', path: '.github/workflows/ci.yml', state: 'active' },
    repository,
    sender,
  },
  deployment: {
    action: 'created',
    deployment: {
      ...{ id: 42, sha: second, ref: 'main', task: 'deploy', environment: 'production', payload: {} },
      ...{ created_at: '2026-06-01T09:00:00Z', updated_at: '2026-06-01T09:00:00Z', creator: sender },
    },
    repository,
    sender,
  },
  deploymentStatus: {
    action: 'created',
    deployment_status: { id: 9, state: 'success', environment: 'production', created_at: '2026-06-01T09:05:00Z' },
    deployment: {
      id: 42,
      sha: second,
      ref: 'main',
      task: 'deploy',
      environment: 'production',
      created_at: '2026-06-01T09:00:00Z',
    },
    repository,
    sender,
  },
  release: {
    action: 'published',
    release: {
      ...{ id: 6, tag_name: 'v1.2.0', target_commitish: 'main', draft: false, prerelease: false, name: 'v1.2.0' },
      ...{ created_at: '2026-06-01T09:00:00Z', published_at: '2026-06-01T09:30:00Z' },
    },
    repository,
    sender,
  },
  issues: {
    action: 'closed',
    issue: {
      ...{ id: 8, number: 15, title: 'Checkout is down', state: 'closed', labels: [{ id: 1, name: 'incident' }] },
      ...{ created_at: '2026-06-01T10:00:00Z', updated_at: '2026-06-01T10:40:00Z', closed_at: '2026-06-01T10:40:00Z' },
    },
    repository,
    sender,
  },
}

const project = {
  ...{ id: 15, name: 'Shop', path_with_namespace: 'octo/shop', web_url: 'https://gitlab.example.test/octo/shop' },
  default_branch: 'main',
}
const user = { id: 1, name: 'Administrator', username: 'root' }

/** docs.gitlab.com/user/project/integrations/webhook_events */
export const gitlab = {
  push: {
    ...{ object_kind: 'push', event_name: 'push', before, after: second, ref: 'refs/heads/main', checkout_sha: second },
    ...{ user_id: 4, user_username: 'jsmith', project_id: 15, project, total_commits_count: 2 },
    commits: [
      { id: first, message: 'Count stock', title: 'Count stock', timestamp: '2026-06-01T10:00:00+02:00' },
      {
        id: second,
        message: "Merge branch 'stock' into 'main'",
        title: 'Merge',
        timestamp: '2026-06-01T08:30:00+00:00',
      },
    ],
  },
  mergeRequest: {
    ...{ object_kind: 'merge_request', event_type: 'merge_request', user, project },
    object_attributes: {
      ...{ id: 99, iid: 12, target_branch: 'main', source_branch: 'stock', state: 'merged', action: 'merge' },
      ...{ created_at: '2026-06-01 07:00:00 UTC', updated_at: '2026-06-01 08:30:00 UTC', merge_commit_sha: second },
      last_commit: { id: first, message: 'Count stock', timestamp: '2026-06-01T08:00:00+00:00' },
    },
  },
  pipeline: {
    ...{ object_kind: 'pipeline', user, project },
    object_attributes: {
      ...{
        id: 31,
        iid: 3,
        name: 'Build main',
        ref: 'main',
        tag: false,
        sha: second,
        source: 'push',
        status: 'success',
      },
      ...{ created_at: '2026-06-01 08:31:00 UTC', finished_at: '2026-06-01 08:36:00 UTC', duration: 280 },
    },
  },
  deployment: {
    ...{
      object_kind: 'deployment',
      status: 'success',
      status_changed_at: '2026-06-01 11:05:00 +0200',
      deployment_id: 15,
    },
    ...{ deployable_id: 796, environment: 'production', environment_tier: 'production', project, user, ref: 'main' },
    ...{ short_sha: second.slice(0, 8), commit_url: `https://gitlab.example.test/octo/shop/-/commit/${second}` },
  },
  job: {
    ...{ object_kind: 'build', ref: 'main', sha: second, build_id: 1977, build_name: 'test', build_stage: 'test' },
    ...{
      build_status: 'success',
      build_started_at: '2026-06-01 08:32:00 UTC',
      build_finished_at: '2026-06-01 08:34:00 UTC',
    },
    ...{ project_id: 15, project_name: 'octo / shop', pipeline_id: 31 },
  },
  issue: {
    ...{ object_kind: 'issue', event_type: 'issue', user, project, labels: [{ id: 206, title: 'incident' }] },
    object_attributes: {
      ...{ id: 301, iid: 23, title: 'Checkout is down', state: 'closed', action: 'close', type: 'Issue' },
      ...{
        created_at: '2026-06-01 10:00:00 UTC',
        updated_at: '2026-06-01 10:40:00 UTC',
        closed_at: '2026-06-01 10:40:00 UTC',
      },
    },
  },
}

/** plugins.jenkins.io/notification: "JSON" format */
export const jenkins = {
  name: 'deploy-shop',
  display_name: 'deploy-shop',
  url: 'job/deploy-shop/',
  build: {
    ...{ full_url: 'https://ci.example.test/job/deploy-shop/18/', number: 18, queue_id: 1, phase: 'FINALIZED' },
    ...{ status: 'SUCCESS', url: 'job/deploy-shop/18/', timestamp: '2026-06-01T09:05:00.000+00:00', duration: 60_000 },
    scm: {
      url: 'https://robot:not-kept@git.example.test/octo/shop.git',
      branch: 'origin/main',
      commit: second,
      changes: [],
      culprits: [],
    },
    ...{ log: '', artifacts: {} },
  },
}

/** argo-cd.readthedocs.io, notifications: the body is what the template of docs/events.md makes of an application */
export const argocd = {
  ...{ app: 'shop', phase: 'Succeeded', startedAt: '2026-06-01T09:04:00Z', finishedAt: '2026-06-01T09:05:00Z' },
  ...{
    revision: second,
    repository: 'https://git.example.test/octo/deployments.git',
    namespace: 'production',
    automated: 'true',
  },
}

/** fluxcd.io/flux/components/notification/providers: "Generic webhook" */
export const flux = {
  involvedObject: {
    ...{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', name: 'shop', namespace: 'production' },
    ...{ uid: '1f4c9d5e-0000-4000-8000-000000000001', resourceVersion: '1234' },
  },
  severity: 'info',
  timestamp: '2026-06-01T09:05:00Z',
  message: 'Reconciliation finished in 1.2s, next run in 10m0s',
  reason: 'ReconciliationSucceeded',
  metadata: { 'kustomize.toolkit.fluxcd.io/revision': `main@sha1:${second}`, summary: 'shop' },
  reportingController: 'kustomize-controller',
  reportingInstance: 'kustomize-controller-0',
}

/** prometheus.io/docs/alerting/latest/configuration: "webhook_config" */
export const alertmanager = {
  ...{
    version: '4',
    groupKey: '{}:{alertname="HighErrors"}',
    truncatedAlerts: 0,
    status: 'resolved',
    receiver: 'headway',
  },
  ...{
    groupLabels: { alertname: 'HighErrors' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://am.example.test',
  },
  alerts: [
    {
      status: 'resolved',
      labels: { alertname: 'HighErrors', service: 'shop', env: 'production', severity: 'page' },
      annotations: { summary: 'Many requests fail' },
      ...{
        startsAt: '2026-06-01T10:00:00.123456789Z',
        endsAt: '2026-06-01T10:30:00Z',
        fingerprint: '1a2b3c4d5e6f7a8b',
      },
      generatorURL: 'http://prometheus.example.test/graph',
    },
  ],
}

/** developer.pagerduty.com/docs/webhooks-overview: V3 */
export const pagerduty = (type: 'triggered' | 'acknowledged' | 'resolved', at: string) => ({
  event: {
    ...{ id: `01-${type}`, event_type: `incident.${type}`, resource_type: 'incident', occurred_at: at },
    agent: { id: 'PLH1HKV', type: 'user_reference' },
    client: null,
    data: {
      ...{ id: 'PGR0VU2', type: 'incident', number: 2, status: type, title: 'Checkout is down', urgency: 'high' },
      ...{ created_at: '2026-06-01T10:00:00Z', incident_key: 'd3640fbd41094207a1c11e58e46b1662' },
      service: { id: 'PF9KMXH', summary: 'Shop (production)', type: 'service_reference' },
    },
  },
})
