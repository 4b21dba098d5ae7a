import { type Judged, type Judgement, type JudgePlan, type Judging, latencyQuestion } from './judging.ts'
import type { Deployment } from './rollout.ts'
import { targetLabel } from './target.ts'
import { type Others, versionsOf } from './traffic.ts'

/** One question to the judge: under which name, by what, and who. */
export type Question = { readonly name: string; readonly plan: JudgePlan; readonly who: Judged }

/** The judgement that decides, under which name it was made, and how the main question stands. */
export type Answer = { readonly name: string; readonly judgement: Judgement; readonly main: Judgement }

/**
 * What is asked in a step: errors against the old version, which has most of the traffic and so finds them soonest; latency against a
 * fresh instance of it, as whatever was just started is slower than what has run for long. The chance to be wrong is divided between them: most of
 * it goes to errors, which are few at the beginning, whereas every request tells of latency. The team's own metrics go with errors.
 */
export const questionsOf = (deployment: Deployment, others: Others): Question[] => {
  const { id, rollout, step } = deployment
  if (!rollout?.isJudged) return []
  const { plan, freshBaseline } = rollout
  const { fresh } = versionsOf(deployment)
  const main = besideOld(deployment, others)
  if (!freshBaseline) return [{ name: id, plan, who: main }]
  const forErrors: JudgePlan = { ...plan, alpha: plan.alpha * 0.75, latency: false, focus: 'errors' }
  const { metrics: _, ...rest } = plan
  const forLatency: JudgePlan = { ...rest, alpha: plan.alpha * 0.25, thresholds: [], focus: 'latency' }
  const errors = { name: id, plan: forErrors, who: main }
  const { own: _own, ...versions } = main
  const latency = { name: latencyQuestion(id), plan: forLatency, who: { ...versions, baseline: fresh } }
  return step?.weightPercent === 0 ? [errors] : [errors, latency] // copies of requests are for the new version only
}

/** The new version beside the old one, with all instances of either for the team's own metrics. */
export const besideOld = (deployment: Deployment, { old: ran, fresh: begun }: Others): Judged => {
  const { target, instances, rollout } = deployment
  const { canary, old } = versionsOf(deployment)
  const rules = rollout?.metrics ?? []
  const own = { rules, baseline: [...ran, ...begun], canary: instances ?? [] }
  return { service: targetLabel(target), canary, baseline: old, ...(rules.length > 0 ? { own } : {}) }
}

/** A fail of one decides, else one that is not sure yet; null when nothing is asked. */
export const answerOf = async (judging: Judging, questions: readonly Question[]): Promise<Answer | null> => {
  const answers = await Promise.all(questions.map(async ({ name }) => ({ name, judgement: await judging.look(name) })))
  const [main] = answers
  if (!main) return null
  const decisive = ['fail', 'inconclusive'].flatMap((verdict) =>
    answers.filter(({ judgement }) => judgement.verdict === verdict),
  )
  return { ...(decisive[0] ?? main), main: main.judgement }
}
