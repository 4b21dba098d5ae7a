import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startPlatform } from '../e2e/support/platform.ts'
import { allMarks, type Life, livesThroughKillsAt, rare } from '../e2e/support/survival.ts'
import { deployFor } from './main.ts'
import { acme } from './soaks/acme.ts'
import { compareRefusals } from './soaks/edge-differential.ts'
import { fuzzEdge } from './soaks/edge-fuzz.ts'
import { holdEdge } from './soaks/edge-hold.ts'
import { shareEdges } from './soaks/edge-shares.ts'
import { seedFaults } from './soaks/faults.ts'
import { kills } from './soaks/kills.ts'
import { holdWebSockets } from './soaks/websockets.ts'

/**
 * `npm run soak [-- NAME...]`: the long evidence. Names: deployments (50 under 200 requests a second), kills (control plane, edge and instances killed at random
 * instants of pushes), marks (`npm run crash`, before and after every effect, twice in a row), failpoints (a whole life killed at every failpoint, twice in a row), faults (each seeded into a copy of the engine,
 * which a conformance case must notice), acme (certificates of a real ACME server, which needs Go),
 * edge-fuzz (two million mutated requests and answers against a second reader), edge-hold (WebSockets, slow clients and changes of routes), edge-shares (weights and a client's limit over four edges), websockets (11,000 of them over an upgrade), edge-differential (the hostile requests through
 * nginx and HAProxy too, where they are installed), web-roles (each role on each page in a browser, and a canary's whole life there). Ends with code 1 when anything was not as promised.
 */
const wanted = process.argv.slice(2)
let broken = 0
const say = (holds: boolean, what: string): void => {
  if (!holds) broken += 1
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`)
}

const deployments = async (): Promise<void> => {
  const platform = await startPlatform()
  const { deployments: count, failed, answered, failures, p50Ms, p99Ms } = await deployFor(platform, 1_200_000, 200, 50)
  say(
    count === 50 && failed === 0,
    `${count} deployments in a row under 200 requests/s: ${failed} failed of ${answered} (p50 ${p50Ms?.toFixed(1)} ms, p99 ${p99Ms?.toFixed(1)} ms)`,
  )
  for (const failure of failures) console.log(`     ${failure}`)
  await platform.destroy()
}

/** Marks that only a life with a database, or one with errands, passes. */
const lifeFor = (mark: string): Life => ({
  database: /^(operate\.|monitor\.|agent\.(journal|spool))/.test(mark),
  errands: /^(access|backup|cli|ledger|store|operate|monitor)\./.test(mark),
})

/** What names no soak chooses within one. */
const unknownWords = (): string[] => wanted.filter((word) => !(word in soaks))

const failpoints = async (): Promise<void> => {
  const words = unknownWords()
  const marks = (await allMarks()).filter((one) => words.length === 0 || words.some((word) => one.includes(word)))
  const left = marks.filter((mark) => words.length > 0 || !rare(mark))
  const work = async (): Promise<void> => {
    for (let mark = left.shift(); mark !== undefined; mark = left.shift()) {
      const began = performance.now()
      const took = () => `${((performance.now() - began) / 1000).toFixed(0)} s`
      try {
        await livesThroughKillsAt(mark, lifeFor(mark))
        say(true, `${mark} (${took()})`)
      } catch (error) {
        say(false, `${mark} (${took()}): ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  await Promise.all([work(), work()])
}

/** What `npm run crash` kills at on one side and once. */
const marks = async (): Promise<void> => {
  const words = ['scripts/test.ts', '--crash', ...unknownWords()]
  const child = spawn(process.execPath, words, { stdio: 'inherit', env: { ...process.env, HEADWAY_KILLS: 'all' } })
  const [code] = await once(child, 'exit')
  say(code === 0, 'each room killed before and after every effect, twice in a row')
}

/** Takes minutes in a browser, so that it stands beside the end-to-end tests. */
const webRoles = async (): Promise<void> => {
  const words = ['--disable-warning=ExperimentalWarning', '--test', 'e2e/web-roles.soak.ts']
  const [code] = await once(spawn(process.execPath, words, { stdio: 'inherit' }), 'exit')
  say(
    code === 0,
    'each role on each page of the web, every control by Tab, a canary held, promoted, aborted and judged',
  )
}

const soaks: Readonly<Record<string, () => Promise<void>>> = {
  deployments,
  kills: () => kills(say),
  acme: () => acme(say),
  'edge-fuzz': () => fuzzEdge(say),
  'edge-hold': () => holdEdge(say),
  'edge-shares': () => shareEdges(say),
  websockets: () => holdWebSockets(say),
  'edge-differential': () => compareRefusals(say),
  'web-roles': webRoles,
  marks,
  failpoints,
  faults: () => seedFaults(unknownWords(), say),
}
for (const [name, soak] of Object.entries(soaks)) if (wanted.length === 0 || wanted.includes(name)) await soak()
process.exit(broken === 0 ? 0 : 1)
