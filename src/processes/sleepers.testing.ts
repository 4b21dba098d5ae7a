import { readdirSync, readFileSync } from 'node:fs'

/** How long to sleep, in seconds, so that a test knows its own sleepers from those of a test that runs beside it. */
export const ownSeconds = (number: number): string => String(1_000_000 + process.pid * 100 + number)

/** The processes of this machine that were started with exactly these words. */
export const processesNamed = (command: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim() === command
      )
    } catch {
      return false // it has ended meanwhile
    }
  })

export const isSleeping = (seconds: string): boolean => processesNamed(`sleep ${seconds}`).length > 0
