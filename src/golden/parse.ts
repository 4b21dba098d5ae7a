import { type Refused, readChecked, type Wording } from './checked-yaml.ts'
import { define, ServiceFile } from './schema.ts'
import type { ServiceDefinition } from './service.ts'

export type ServiceParsing = { readonly kind: 'ok'; readonly service: ServiceDefinition } | Refused

const wording: Wording & { readonly mostBytes: number } = {
  called: 'headway.yaml',
  several:
    'a headway.yaml holds one document; remove the --- and what follows, or give each service a folder of its own',
  begin: 'start with these three lines: name: my-service, language: node, port: 3000',
  examples: { name: 'name: my-service', language: 'language: node' },
  expected: { health: 'expected a path such as /health, or { path: /health, timeout: 30s }' },
  // Many times what a service could want to say; beyond it something else was meant.
  mostBytes: 64 * 1024,
}

/** Reads a `headway.yaml`. Everything that is wrong with it comes back at once, each problem with line and column. */
export const parseServiceFile = (text: string, file: string): ServiceParsing => {
  const read = readChecked(ServiceFile, text, file, wording)
  return read.kind === 'ok' ? { kind: 'ok', service: define(read.value) } : read
}
