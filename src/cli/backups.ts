import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { effect } from '../effect.ts'
import { homeAt } from '../home.ts'
import { Problem } from '../problem.ts'
import { connect, type GlobalOptions } from './client.ts'
import { bytes, printJson } from './output.ts'

/** All of Headway in one file, and out of it. */
export const backupCommands = (program: Command): void => {
  program
    .command('backup')
    .argument('[file]', 'where to', `headway-${new Date().toISOString().slice(0, 16).replace(/[T:]/g, '-')}.tar.gz`)
    .description('write all of Headway into one file while it runs; the file holds the keys')
    .action(async (file: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const place = resolve(file)
      if (existsSync(place))
        throw new Problem({
          kind: 'exists',
          status: 409,
          detail: `${place} is there already; it was not touched`,
          next: 'name another file',
        })
      const partial = `${place}.partial`
      try {
        const body = await connect(options).bytes('/backup')
        await effect('cli.write-backup', () => pipeline(body, createWriteStream(partial, { mode: 0o600, flush: true })))
        await effect('cli.place-backup', () => rename(partial, place))
      } finally {
        await effect('cli.clear-backup', () => rm(partial, { force: true }))
      }
      const { size } = await stat(place)
      if (options.json) return printJson({ file: place, sizeBytes: size })
      console.log(`${place}: ${bytes(size)}; it holds the keys, so keep it as you keep those`)
    })

  program
    .command('restore')
    .argument('<file>', 'a backup')
    .description('make a home out of a backup; the home must be empty')
    .action(async (file: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { restore } = await import('../backup.ts')
      const home = homeAt(options.home)
      const { facts, program: version, at } = await restore(resolve(file), home)
      if (options.json) return printJson({ home: home.root, facts, version, at })
      console.log(
        `${home.root} is as it was at ${new Date(at).toISOString()}: ${facts} facts, the ledger verifies\nnext: headway up --home ${home.root}, then headway db backups and headway db restore for the databases`,
      )
    })
}
