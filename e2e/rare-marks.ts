/**
 * Effects that a whole life does not cross, each by its full name so that no new one is excused, with the reason. `killedBy` is the test
 * beside the source that was seen to kill there; where it is null nothing kills there yet, and what happens after a kill is not shown.
 */
export const passedElsewhere: readonly {
  readonly name: string
  readonly why: string
  readonly killedBy: string | null
}[] = [
  { name: 'code.keep-candidate', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'code.keep-version', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'code.make-branch', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'code.merge-trees', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'code.move-branch', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'code.write-commit', why: 'nobody proposes a change', killedBy: 'src/code/changes/crash.test.ts' },
  { name: 'access.rewrap-setting', why: 'needs a rotated master key', killedBy: 'src/marks.test.ts' },
  { name: 'processes.cgroup-kill', why: 'a process or group that outlives its SIGTERM', killedBy: 'src/marks.test.ts' },
  { name: 'processes.cgroup-tree', why: "depends on the machine's cgroups", killedBy: 'src/marks.test.ts' },
  { name: 'agent.edge-kill', why: 'a process or group that outlives its SIGTERM', killedBy: 'src/agent/marks.test.ts' },
  { name: 'agent.edge-retire', why: 'depends on when an edge has drained', killedBy: 'src/agent/marks.test.ts' },
  {
    name: 'agent.events-compact',
    why: 'a log, journal or event file grown past its limit',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.journal-remove',
    why: 'a log, journal or event file grown past its limit',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.journal-rotate',
    why: 'a log, journal or event file grown past its limit',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.leftover-kill',
    why: 'a process or group that outlives its SIGTERM',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.listening-mend',
    why: 'a damaged or interrupted record of the agent',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.log-rotate',
    why: 'a log, journal or event file grown past its limit',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.record-drop',
    why: 'a damaged or interrupted record of the agent',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.record-put-aside',
    why: 'a damaged or interrupted record of the agent',
    killedBy: 'src/agent/marks.test.ts',
  },
  {
    name: 'agent.spool-empty',
    why: 'a log, journal or event file grown past its limit',
    killedBy: 'src/agent/marks.test.ts',
  },
  { name: 'agent.stop-kill', why: 'a process or group that outlives its SIGTERM', killedBy: 'src/agent/marks.test.ts' },
  {
    name: 'agent.unknown-kill',
    why: 'a process or group that outlives its SIGTERM',
    killedBy: 'src/agent/marks.test.ts',
  },
  { name: 'api.write-certificate', why: 'only with --tls self-signed', killedBy: 'src/marks.test.ts' },
  { name: 'test.remove-results', why: 'only results older than a month', killedBy: 'src/test/crash.test.ts' },
  { name: 'backup.clear-empty-home', why: 'what an earlier interruption left behind', killedBy: 'src/marks.test.ts' },
  { name: 'backup.clear-interrupted', why: 'what an earlier interruption left behind', killedBy: 'src/marks.test.ts' },
  { name: 'build.evict-dependencies', why: 'collection of what is old or too much', killedBy: 'src/marks.test.ts' },
  { name: 'build.remove-leftovers', why: 'what an earlier interruption left behind', killedBy: null },
  { name: 'build.remove-logs', why: 'collection of what is old or too much', killedBy: 'src/marks.test.ts' },
  { name: 'build.share-own-node', why: 'depends on where Node.js and PostgreSQL are installed', killedBy: null },
  { name: 'build.sweep-dependencies', why: 'collection of what is old or too much', killedBy: 'src/marks.test.ts' },
  {
    name: 'cli.eject-workflow',
    why: "changes a person's own working copy or opens a terminal",
    killedBy: 'src/marks.test.ts',
  },
  { name: 'cli.psql', why: "changes a person's own working copy or opens a terminal", killedBy: null },
  {
    name: 'cli.write-service-file',
    why: "changes a person's own working copy or opens a terminal",
    killedBy: 'src/marks.test.ts',
  },
  { name: 'code.maintain', why: 'collection of what is old or too much', killedBy: 'src/marks.test.ts' },
  { name: 'code.set-head', why: 'a repository whose first push is not to main', killedBy: 'src/marks.test.ts' },
  { name: 'edge.log-rotate', why: 'a log, journal or event file grown past its limit', killedBy: 'src/marks.test.ts' },
  { name: 'ledger.scrub', why: "erasure of a person's data", killedBy: 'src/marks.test.ts' },
  { name: 'log.rotate', why: 'a log, journal or event file grown past its limit', killedBy: 'src/marks.test.ts' },
  {
    name: 'operate.clear-backup',
    why: 'what an earlier interruption left behind',
    killedBy: 'src/operate/crash.test.ts',
  },
  {
    name: 'operate.clear-init',
    why: 'what an earlier interruption left behind',
    killedBy: 'src/operate/crash.test.ts',
  },
  {
    name: 'operate.recover-postgres',
    why: 'what an earlier interruption left behind',
    killedBy: 'src/operate/crash.test.ts',
  },
  { name: 'operate.unpack-postgres', why: 'depends on where Node.js and PostgreSQL are installed', killedBy: null },
  {
    name: 'package.remove-blob',
    why: 'collection of old releases, or a language with a build step',
    killedBy: 'src/package/crash.test.ts',
  },
  {
    name: 'package.remove-folder',
    why: 'collection of old releases, or a language with a build step',
    killedBy: 'src/package/crash.test.ts',
  },
  {
    name: 'package.run-command',
    why: 'collection of old releases, or a language with a build step',
    killedBy: 'src/package/crash.test.ts',
  },
  { name: 'package.sweep-staging', why: 'what an earlier interruption left behind', killedBy: 'src/marks.test.ts' },
  {
    name: 'processes.end-left-over',
    why: 'a process that a packaging command left running',
    killedBy: 'src/package/crash.test.ts',
  },
  { name: 'runtime.edge-replace', why: 'no command replaces a living edge', killedBy: null },
  { name: 'store.backup-discard', why: 'what an earlier interruption left behind', killedBy: 'src/marks.test.ts' },
  { name: 'store.dump-begin', why: 'only with a store in PostgreSQL', killedBy: 'src/marks.test.ts' },
  { name: 'store.dump-copy', why: 'only with a store in PostgreSQL', killedBy: 'src/marks.test.ts' },
  { name: 'store.dump-discard', why: 'only with a store in PostgreSQL', killedBy: 'src/marks.test.ts' },
  { name: 'store.dump-end', why: 'only with a store in PostgreSQL', killedBy: 'src/marks.test.ts' },
]
