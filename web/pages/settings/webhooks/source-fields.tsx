import type { InferRequestType } from 'hono/client'
import type { api } from '../../../api/client.ts'
import type { Source } from '../../../api/door-queries.ts'
import { Refusal } from '../../../api/refusal.ts'
import { t } from '../../../texts/en.ts'
import { textOf } from '../../../ui/act.ts'
import { Area, Check, Field, linesOf, Select } from '../../../ui/form.tsx'

type Wish = InferRequestType<(typeof api.door.projects)[':project']['event-sources'][':source']['$put']>['json']

const kinds: readonly Source['kind'][] = [
  ...(['github', 'gitlab', 'jenkins', 'argocd', 'flux'] as const),
  ...(['alertmanager', 'pagerduty', 'cdevents', 'plain'] as const),
]

/** What is asked of a system that tells of itself; `known`: what is said of it already. */
export const SourceFields = ({ known }: { known?: Source }) => (
  <>
    <Select name="kind" label={t.door.kind} options={kinds} value={known?.kind} />
    <Field
      name="service"
      label={t.door.service}
      placeholder={t.door.serviceHint}
      autoCapitalize="none"
      defaultValue={known?.service ?? ''}
    />
    <Field
      name="environment"
      label={t.door.environment}
      placeholder={t.door.serviceHint}
      autoCapitalize="none"
      defaultValue={known?.environment ?? ''}
    />
    <details>
      <summary className="py-1 text-accent">{t.door.more}</summary>
      <div className="flex flex-col gap-4 pt-2">
        <Area
          name="mappings"
          label={t.door.mappings}
          hint={t.door.mappingsHint}
          rows={2}
          value={(known?.mappings ?? []).map(mappingText).join('\n')}
        />
        <Area
          name="deployJobs"
          label={t.door.deployJobs}
          hint={t.door.deployJobsHint}
          rows={2}
          value={(known?.deployJobs ?? []).join('\n')}
        />
        <Area
          name="incidentLabels"
          label={t.door.incidentLabels}
          hint={t.door.lines}
          rows={2}
          value={(known?.incidentLabels ?? ['incident']).join('\n')}
        />
        <Check name="releases" label={t.door.releases} isOn={known?.releases ?? false} />
        <Field
          name="secret"
          label={t.door.ownSecret}
          hint={known ? t.door.ownSecretKept : t.door.ownSecretHint}
          type="password"
          minLength={16}
          maxLength={500}
          autoComplete="off"
        />
      </div>
    </details>
  </>
)

/** What the fields hold. Rejects a mapping that is none, at its field. */
export const sourceIn = (data: FormData): Wish => {
  const secret = textOf(data, 'secret')
  return {
    kind: kinds.find((known) => known === textOf(data, 'kind')) ?? 'plain',
    service: textOf(data, 'service') || null,
    environment: textOf(data, 'environment') || null,
    mappings: linesOf(textOf(data, 'mappings')).map(mappingIn),
    deployJobs: linesOf(textOf(data, 'deployJobs')),
    incidentLabels: linesOf(textOf(data, 'incidentLabels')),
    releases: data.get('releases') !== null,
    ...(secret === '' ? {} : { secret }),
  }
}

type Mapping = NonNullable<Wish['mappings']>[number]

const mappingText = ({ match, service, environment }: Source['mappings'][number]): string =>
  `${match}=${service}${environment === undefined ? '' : `/${environment}`}`

/** As `headway events sources add --map` takes it: pattern=service[/environment]. */
const mappingIn = (line: string): Mapping => {
  const [, match, service, environment] = /^(.+)=([^=/]+)(?:\/([^=/]+))?$/.exec(line) ?? []
  if (match !== undefined && service !== undefined)
    return { match: match.trim(), service: service.trim(), ...(environment && { environment: environment.trim() }) }
  throw new Refusal({
    ...{ kind: 'bad-mapping', status: 0, next: null, path: 'mappings' },
    detail: t.door.badMapping(line),
  })
}
