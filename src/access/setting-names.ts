import { z } from 'zod'

const reserved: Readonly<Record<string, string>> = {
  PORT: 'Headway allots the port',
  HOST: 'Headway chooses the address',
  HOME: 'Headway gives each instance a home of its own',
  TMPDIR: 'Headway gives each instance a directory for temporary files',
  PATH: 'it decides which programs run; choose them in headway.yaml',
  DATABASE_URL: 'it comes with `database: postgres`',
  CI: 'jobs are told it by Headway',
}
const reservedPrefixes: Readonly<Record<string, string>> = {
  HEADWAY_: 'names that start with HEADWAY_ are what Headway tells a service about itself',
  GITHUB_: 'names that start with GITHUB_ are what a workflow is told about its run',
  RUNNER_: 'names that start with RUNNER_ are what a job is told about its machine',
  LD_: 'names that start with LD_ change how programs are loaded',
}

/** Why a secret or variable may not have this name; null when it may. */
export const whyReserved = (name: string): string | null => {
  const prefix = Object.keys(reservedPrefixes).find((start) => name.startsWith(start))
  return reserved[name] ?? (prefix ? reservedPrefixes[prefix] : null) ?? null
}

/** The name of a secret or variable, as it stands in a service's environment. */
export const SettingName = z
  .string()
  .max(128, 'a name has at most 128 characters')
  .regex(/^[A-Z_][A-Z0-9_]*$/, 'a name is upper-case letters, digits and underscores, not starting with a digit')
  .superRefine((name, context) => {
    const why = whyReserved(name)
    if (why !== null) context.addIssue({ code: 'custom', message: `${name} is reserved: ${why}` })
  })

/** 64 KiB of text; an environment cannot hold a NUL. */
export const SettingValue = z
  .string()
  .max(65_536, 'a value has at most 65,536 characters')
  .refine((value) => !value.includes('\0'), 'a value holds no NUL character')
