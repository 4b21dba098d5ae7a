import { deploymentFinished } from '../../deploy/facts.ts'
import { fact, isFact, type NewFact, type RecordedFact } from '../../ledger/fact.ts'
import { alertFired, alertResolved } from '../../monitor/facts.ts'
import { incidentOpened, incidentResolved, incidentSubject } from '../facts.ts'

const actor = 'system:learn'

/** What Headway itself sees: a rollout that was taken back after it had served people, and an alert. Each has one incident, named after it. */
export const incidentsOf = (
  seen: RecordedFact,
  /** When the deployment first had production traffic; null: never. */
  servedAt: number | null,
): { readonly subject: string; readonly isNew: boolean; readonly facts: readonly NewFact[] } | null => {
  const causes = [seen.seq]
  if (isFact(deploymentFinished, seen)) {
    const { deployment, project, service, environment, outcome, detail } = seen.payload
    if (outcome !== 'rolled-back' || servedAt === null) return null
    const incident = `incident-${deployment}`
    const about = { subject: incidentSubject(incident), actor, causes }
    return {
      subject: about.subject,
      isNew: true,
      facts: [
        fact(incidentOpened, {
          ...about,
          payload: {
            ...{ incident, project, service, environment, detectedAt: seen.at, impactStartedAt: servedAt },
            title: `a release of ${service} was taken back: ${detail ?? 'it was aborted'}`.slice(0, 500),
            ...{ source: 'rollback', causedBy: { deployment }, key: null, received: null },
          },
        }),
        // The old version has all traffic again.
        fact(incidentResolved, { ...about, payload: { incident, at: seen.at } }),
      ],
    }
  }
  if (isFact(alertFired, seen)) {
    const { alert, project, service, environment, name, when, deployment } = seen.payload
    const incident = `incident-${alert}`
    const subject = incidentSubject(incident)
    const payload = {
      ...{ incident, project, service, environment, title: `${name}: ${when}`.slice(0, 500), impactStartedAt: null },
      ...{ detectedAt: seen.at, source: 'alert', key: null, received: null },
      causedBy: deployment === null ? null : { deployment },
    }
    return { subject, isNew: true, facts: [fact(incidentOpened, { subject, actor, causes, payload })] }
  }
  if (isFact(alertResolved, seen)) {
    const incident = `incident-${seen.payload.alert}`
    const subject = incidentSubject(incident)
    const payload = { incident, at: seen.at }
    return { subject, isNew: false, facts: [fact(incidentResolved, { subject, actor, causes, payload })] }
  }
  return null
}

/** The facts that incidents are made of. */
export const incidentCauses = [deploymentFinished.type, alertFired.type, alertResolved.type]
