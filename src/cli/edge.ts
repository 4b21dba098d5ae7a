import { resolve } from 'node:path'
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { homeAt } from '../home.ts'
import { Problem } from '../problem.ts'
import type { GlobalOptions } from './client.ts'
import { edgeOptions, type GivenEdgeOptions } from './edge-options.ts'
import { printJson } from './output.ts'

type Given = GivenEdgeOptions & {
  readonly port: string
  readonly host: string
  readonly tlsPort?: string
  readonly metricsPort?: string
  readonly workers?: string
  readonly accessLog?: string
  readonly logShare?: string
  readonly connectionsPerAddress?: string
  readonly state?: string
  readonly check?: boolean
  readonly stop?: boolean
}

/** The edge by itself. */
export const edgeCommand = (program: Command): void => {
  const command = program
    .command('edge')
    .argument('<file>', 'routes, in YAML: docs/edge.md says how')
    .option('--port <number>', 'listen here; 0 picks a free one', '8080')
    .option('--host <address>', 'listen on this address', '127.0.0.1')
    .option('--tls-port <number>', 'TLS here (HTTP/1.1 and HTTP/2)')
  edgeOptions(command)
    .option('--connections-per-address <number>', 'as many open ones as one client address may have')
    .option('--access-log <format>', 'json, combined or off', 'json')
    .option('--log-share <share>', 'of the requests in the log, from 0 to 1; failures are always told', '1')
    .option('--metrics-port <number>', 'counters for Prometheus on loopback, at /metrics')
    .option('--workers <range>', 'processes that accept: 2, or 2-4 (default: as many as the load needs)')
    .option('--state <directory>', "where it keeps its own (default: edges/<port> in Headway's home)")
    .option('--check', 'only say whether the file can be used')
    .option('--stop', 'stop the one that runs in this place')
    .description('route requests by a file, without the rest of Headway; run again, it takes over the one that runs')
    .action(async (file: string, given: Given, own: Command) => {
      const { home: root, json } = own.optsWithGlobals<GlobalOptions>()
      const { checkRoutes, followAlone, startAlone, stopAlone } = await import('../alone/command.ts')
      const { routesInWords } = await import('../alone/reading.ts')
      if (given.check) {
        const { length: routes } = await checkRoutes(file)
        return json ? printJson({ routes }) : console.log(`${file} can be used: ${routesInWords(routes)}`)
      }
      const home = homeAt(given.state ?? `${homeAt(root).root}/edges/${given.port}`)
      if (given.stop) {
        const stopped = await stopAlone(home, systemClock)
        return json ? printJson({ stopped }) : console.log(stopped ? 'stopped' : `no edge runs in ${home.root}`)
      }
      const { settingsFromOptions } = await import('../alone/options.ts')
      const { tlsPort, accessLog, logShare, connectionsPerAddress } = given
      const options = {
        ...{ home, clock: systemClock, file: resolve(file), host: given.host },
        settings: settingsFromOptions({
          ...given,
          tlsOption: '--tls-port',
          ...(tlsPort === undefined ? {} : { edgeTlsPort: tlsPort }),
          ...(accessLog === undefined ? {} : { accessLog }),
          ...(logShare === undefined ? {} : { logShare }),
          ...(connectionsPerAddress === undefined ? {} : { connectionsPerAddress }),
        }),
        port: numberIn('--port', given.port),
        metricsPort: given.metricsPort === undefined ? null : numberIn('--metrics-port', given.metricsPort),
        workers: given.workers ?? '',
        say: (line: string) => console.error(line),
      }
      const started = await startAlone(options)
      const { port, tlsPort: securePort, metricsPort, tookOver } = started
      if (json) printJson({ port, tlsPort: securePort, metricsPort, tookOver, state: home.root })
      else {
        console.log(
          `${tookOver ? 'took over; ' : ''}${routesInWords(started.reload.routes)} at http://${given.host}:${port}`,
        )
        if (securePort !== null) console.log(`by TLS at https://${given.host}:${securePort}`)
        if (metricsPort !== null) console.log(`counters at http://127.0.0.1:${metricsPort}/metrics`)
      }
      await followAlone(options, started)
      process.exit()
    })
}

const numberIn = (option: string, text: string): number => {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port < 65_536 && text.trim() !== '') return port
  throw new Problem({
    kind: 'bad-port',
    status: 400,
    detail: `${option} is a port from 1 to 65535, or 0 for a free one, not ${JSON.stringify(text)}`,
  })
}
