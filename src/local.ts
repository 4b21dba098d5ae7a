import { type LocalOrder, type LocalResult, type LocalSignals, runLocally as runWith } from './build/local.ts'

export type { LocalOrder, LocalResult } from './build/local.ts'

/** What the command line runs without a server; services are served as a server of this machine would. */
export const runLocally = (order: LocalOrder, signals: LocalSignals): Promise<LocalResult> =>
  runWith(order, signals, {
    findPostgres: async (home) => (await import('./operate/binaries.ts')).findBinaries(home),
  })
