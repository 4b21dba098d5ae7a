/** Workflows of a working tree, run by the build stage itself, without a server. */
export {
  type LocalEngine,
  type LocalEvent,
  type LocalJob,
  type LocalOptions,
  type LocalOrder,
  type LocalResult,
  type LocalRun,
  type LocalSignals,
  openLocalEngine,
  runLocally,
} from './local/engine.ts'
