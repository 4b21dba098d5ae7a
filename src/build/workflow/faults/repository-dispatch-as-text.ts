/**
 * Upstream fault: in the schema `on: repository_dispatch`, alone or in a list, is called `branch_protection_rule`, so that it is
 * refused. Mended in the schema's text before it is loaded; does nothing once that is right.
 */
export const withDispatchNamed = (schema: string): string =>
  schema.replace(
    /("repository-dispatch-string":\s*\{.*?"constant":\s*")branch_protection_rule"/s,
    (_, before: string) => `${before}repository_dispatch"`,
  )
