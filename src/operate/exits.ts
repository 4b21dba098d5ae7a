import type { AgentEvent } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { describeError } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { instanceExited } from './facts.ts'

const waitMs = 60_000

/**
 * Writes what the machine's agent saw into the ledger, also what it saw while nobody listened. The agent keeps its events until the
 * next question acknowledges them, which is asked only once they are recorded; one that comes twice has the same subject and
 * is recorded once. So a crash between the two loses and doubles nothing, and no cursor of our own is needed.
 */
export const followExits = async (
  ports: { ledger: Ledger; runtime: Runtime; clock: Clock; onError?: ((message: string) => void) | undefined },
  signal: AbortSignal,
): Promise<void> => {
  const { ledger, runtime, clock } = ports
  let after = 0
  for (let pauseMs = 250; !signal.aborted; ) {
    try {
      const { events, next } = await runtime.events(after, waitMs, signal)
      for (const exited of events.map(exitFact).filter((one) => one !== null))
        await ledger.append([exited], { expect: { subject: exited.subject, seq: 0 } })
      if (events.length === 0 && next === after) await clock.sleep(250, signal) // it did not wait for long
      after = next
      pauseMs = 250
    } catch (error) {
      if (signal.aborted) return
      ports.onError?.(`asking the agent what has ended: ${describeError(error)}`)
      await clock.sleep(pauseMs, signal).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, 30_000)
      after = 0 // it may be another agent, which counts anew
    }
  }
}

const exitFact = (event: AgentEvent): NewFact | null => {
  if (event.kind !== 'exited' || !event.exit) return null
  const project = ProjectName.safeParse(event.owner.project)
  const service = ServiceName.safeParse(event.owner.service)
  const environment = EnvironmentName.safeParse(event.owner.environment)
  if (!project.success || !service.success || !environment.success) return null
  return fact(instanceExited, {
    subject: `exit:${event.instance}@${event.exit.at}`,
    actor: 'agent:local',
    payload: {
      project: project.data,
      service: service.data,
      environment: environment.data,
      instance: event.instance,
      exitCode: event.exit.exitCode,
      signal: event.exit.signal,
      outOfMemory: event.exit.outOfMemory,
      exitedAt: event.exit.at,
      restartInMs: event.restartInMs,
    },
  })
}
