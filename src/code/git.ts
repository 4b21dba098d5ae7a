import type { Command } from '../processes/command.ts'

/** Nothing of the user who started Headway reaches Git: no configuration, no home, no language. */
export const gitEnvironment: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
  LC_ALL: 'C',
}

/** A call of Git in a bare repository, as a value. */
export const git = (directory: string, args: readonly string[], more: Partial<Command> = {}): Command => ({
  argv: ['git', '-c', 'safe.directory=*', '--git-dir', directory, ...args],
  env: gitEnvironment,
  cwd: directory,
  ...more,
})

export type GitLimits = {
  /** What one push may send. */
  readonly maxPackBytes: number
}

/** How Git serves a repository: durable, checked, without a collection of garbage while somebody waits. */
export const servingConfiguration = (hooks: string, { maxPackBytes }: GitLimits): readonly string[] =>
  [
    'safe.directory=*',
    `core.hooksPath=${hooks}`,
    'core.fsync=committed',
    'core.logAllRefUpdates=false',
    'gc.auto=0',
    'receive.autogc=false',
    'receive.unpackLimit=1', // one pack is one file to make durable
    'receive.fsckObjects=true',
    'transfer.fsckObjects=true',
    `receive.maxInputSize=${maxPackBytes}`,
    'receive.advertisePushOptions=true',
    'receive.hideRefs=refs/changes', // changes are Headway's to write
    'transfer.hideRefs=refs/headway',
    'receive.denyNonFastForwards=false', // a shared repository's default; what is protected is ours to judge
    'core.bigFileThreshold=32m', // what is larger streams through, and never stands in memory
    'pack.threads=2',
    'uploadpack.allowFilter=true',
    'uploadpackfilter.allow=false',
    'uploadpackfilter.blob:none.allow=true',
    'uploadpackfilter.blob:limit.allow=true',
  ].flatMap((setting) => ['-c', setting])
