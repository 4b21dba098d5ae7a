import type { EnvironmentName, ServiceKey } from '../names.ts'

/**
 * What a service is given besides its code: its database (made when first asked for, kept over deployments). Asked for by
 * deploy before instances start; idempotent; the values are secrets.
 */
export type Databases = {
  /**
   * Makes sure that the engine runs, that role and database exist, and returns the URL for DATABASE_URL. A new one holds nothing, or
   * what stands in that of the same service in another environment.
   */
  ensure(
    owner: ServiceKey & { environment: EnvironmentName },
    copyOf?: EnvironmentName | null,
  ): Promise<{ url: string }>
}
