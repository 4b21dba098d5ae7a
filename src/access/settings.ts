import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import { type Actor, fact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { EnvironmentName, isPreview, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import type { Settings } from './access.ts'
import { type SettingScope, secretRemoved, secretSet } from './facts.ts'
import type { Keyring } from './seal.ts'
import type { SettingRow, SettingTables } from './settings-table.ts'

export const SettingKind = z.enum(['secret', 'variable'])
export type SettingKind = z.infer<typeof SettingKind>

/** What is shown of a secret or variable: everything but its value. */
export type Setting = {
  readonly name: string
  readonly scope: SettingScope
  readonly kind: SettingKind
  readonly setAt: number
}

export type SettingsBook = Settings & {
  list(project: ProjectName): Promise<Setting[]>
  /** Replaces the value that this scope has under this name, if any. */
  set(setting: Pick<Setting, 'name' | 'scope' | 'kind'> & { value: string }, by: Actor): Promise<void>
  remove(name: string, scope: SettingScope, by: Actor): Promise<void>
  /** Like `resolve`, for one kind only, and for a whole project where no service is named. */
  resolveKind(kind: SettingKind, scope: SettingScope, names: readonly string[]): Promise<Record<string, string>>
  /** Records what a crash left unrecorded. */
  mend(): Promise<void>
  /** Puts every value under the newest master key. */
  rewrap(keyring: Keyring): Promise<number>
}

/**
 * Values and facts are in two places that cannot commit together: the row is written with what it waits for, then the fact is recorded,
 * then the row is settled. Each step may be repeated, so whatever a crash leaves is finished by `mend`.
 */
export const createSettings = (options: {
  ledger: Ledger
  store: Store
  clock: Clock
  keyring(): Keyring
}): SettingsBook => {
  const { ledger, clock, keyring } = options
  const db = options.store.tables<SettingTables>()
  let last: Promise<unknown> = Promise.resolve()

  /** One change after another. */
  const inTurn = <Result>(change: () => Promise<Result>): Promise<Result> => {
    const result = last.then(change, change)
    last = result.catch(() => undefined)
    return result
  }

  const record = async (row: Omit<SettingRow, 'sealed'>): Promise<void> => {
    const definition = row.pending === 'remove' ? secretRemoved : secretSet
    const scope = scopeOf(row)
    const payload = { name: row.name, scope, kind: SettingKind.parse(row.kind) }
    const subject = `setting:${fullName(row)}`
    await ledger.append([
      fact<string, typeof payload>(definition, { subject, actor: row.pending_by ?? actor, payload }),
    ])
    await effect('access.settle-setting', async () => {
      if (row.pending === 'remove') await keyed(db.deleteFrom('access_settings'), row).execute()
      else await keyed(db.updateTable('access_settings').set({ pending: null, pending_by: null }), row).execute()
    })
  }

  const rowsFor = async (scope: SettingScope, names: readonly string[]): Promise<SettingRow[]> =>
    names.length === 0
      ? []
      : db
          .selectFrom('access_settings')
          .selectAll()
          .where('project', '=', scope.project)
          .where('service', 'in', ['', scope.service ?? ''])
          .where('environment', 'in', ['', scope.environment ?? ''])
          .where('name', 'in', [...new Set(names)])
          .where((where) => where.or([where('pending', 'is', null), where('pending', '=', 'set')]))
          .execute()

  /**
   * What a change proposes to run must not learn what others are trusted with: it gets the secrets that are meant for previews, and of what holds
   * everywhere only what is no secret.
   */
  const rowsForPreview = async (scope: SettingScope, names: readonly string[]): Promise<SettingRow[]> =>
    (await rowsFor({ ...scope, environment: forPreviews }, names)).filter(
      ({ environment, kind }) => environment === forPreviews || kind === 'variable',
    )

  const open = (row: SettingRow): string => Buffer.from(keyring().open(fullName(row), row.sealed)).toString()

  const valuesOf = (rows: readonly SettingRow[]): Record<string, string> => {
    const chosen = new Map<string, SettingRow>()
    for (const row of rows.toSorted((one, other) => specificity(one) - specificity(other))) chosen.set(row.name, row)
    return Object.fromEntries([...chosen].map(([name, row]) => [name, open(row)]))
  }

  return {
    list: async (project) => {
      const rows = await db
        .selectFrom('access_settings')
        .select(['project', 'service', 'environment', 'name', 'kind', 'set_at'])
        .where('project', '=', project)
        .orderBy('name')
        .orderBy('service')
        .orderBy('environment')
        .execute()
      return rows.map((row) => ({
        name: row.name,
        scope: scopeOf(row),
        kind: SettingKind.parse(row.kind),
        setAt: row.set_at,
      }))
    },

    set: ({ name, scope, kind, value }, by) =>
      inTurn(async () => {
        const place = { ...placeOf(scope), name }
        const sealed = keyring().seal(fullName(place), Buffer.from(value))
        const row = { ...place, kind, sealed, set_at: clock.now(), pending: 'set' as const, pending_by: by }
        await effect('access.keep-setting', () =>
          db
            .insertInto('access_settings')
            .values(row)
            .onConflict((conflict) =>
              conflict
                .columns(['project', 'service', 'environment', 'name'])
                .doUpdateSet({ kind, sealed, set_at: row.set_at, pending: 'set', pending_by: by }),
            )
            .execute(),
        )
        await record(row)
      }),

    remove: (name, scope, by) =>
      inTurn(async () => {
        const place = { ...placeOf(scope), name }
        const row = await keyed(db.selectFrom('access_settings').selectAll(), place).executeTakeFirst()
        if (!row) throw noSetting(name, scope)
        const change = { pending: 'remove' as const, pending_by: by }
        await effect('access.mark-setting-removed', () =>
          keyed(db.updateTable('access_settings').set(change), place).execute(),
        )
        await record({ ...row, ...change })
      }),

    resolve: async (scope, names) => {
      const values = valuesOf(isPreviewScope(scope) ? await rowsForPreview(scope, names) : await rowsFor(scope, names))
      return { values, missing: names.filter((name) => !(name in values)) }
    },

    resolveKind: async (kind, scope, names) =>
      valuesOf((await rowsFor(scope, names)).filter((row) => row.kind === kind)),

    mend: () =>
      inTurn(async () => {
        const pending = db.selectFrom('access_settings').selectAll().where('pending', 'is not', null)
        const rows = await pending.orderBy('set_at').orderBy('name').execute()
        for (const row of rows) await record(row)
      }),

    rewrap: (fresh) =>
      inTurn(async () => {
        const rows = await db.selectFrom('access_settings').selectAll().execute()
        const stale = rows.filter((row) => !fresh.isCurrent(row.sealed))
        for (const row of stale) {
          const sealed = fresh.rewrap(fullName(row), row.sealed)
          await effect('access.rewrap-setting', () =>
            keyed(db.updateTable('access_settings').set({ sealed }), row).execute(),
          )
        }
        return stale.length
      }),
  }
}

/** The environment for which settings of all previews are set. */
const forPreviews = EnvironmentName.parse('preview')
const isPreviewScope = ({ environment }: SettingScope): boolean => environment !== null && isPreview(environment)

type SettingKey = Pick<SettingRow, 'project' | 'service' | 'environment' | 'name'>

const actor = 'system:access'

const keyed = <Query extends { where(column: keyof SettingKey, operator: '=', value: string): Query }>(
  query: Query,
  key: SettingKey,
): Query =>
  query
    .where('project', '=', key.project)
    .where('service', '=', key.service)
    .where('environment', '=', key.environment)
    .where('name', '=', key.name)

const placeOf = (scope: SettingScope) => ({
  project: scope.project,
  service: scope.service ?? '',
  environment: scope.environment ?? '',
})

const scopeOf = (row: Omit<SettingKey, 'name'>): SettingScope => ({
  project: ProjectName.parse(row.project),
  service: row.service === '' ? null : ServiceName.parse(row.service),
  environment: row.environment === '' ? null : EnvironmentName.parse(row.environment),
})

/** What a value is sealed as: moved to another row it cannot be opened. */
const fullName = ({ project, service, environment, name }: SettingKey): string =>
  `${project}/${service}/${environment}/${name}`

/** The service's own beats the environment's, which beats the project's. */
const specificity = ({ service, environment }: SettingKey): number =>
  (service === '' ? 0 : 2) + (environment === '' ? 0 : 1)

const noSetting = (name: string, { project, service, environment }: SettingScope): Problem =>
  new Problem({
    kind: 'setting-not-found',
    status: 404,
    detail: `${name} is not set for ${[project, service, environment].filter(Boolean).join('/')}`,
    next: `headway secret list --project ${project} shows what is set where`,
  })
