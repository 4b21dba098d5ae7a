export { alertActed, alertFacts as monitorFacts, alertFired, alertResolved } from './alerts/facts.ts'
