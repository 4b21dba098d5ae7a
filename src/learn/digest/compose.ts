import { defaultEnvironment, type ProjectName } from '../../names.ts'
import type { CalmsAnswer } from '../calms/question.ts'
import type { Span } from '../dora/calendar.ts'
import type { DoraAnswer, DoraQuestion } from '../dora/question.ts'
import type { FlowAnswer, FlowQuestion } from '../flow/question.ts'
import type { ToilAnswer } from '../toil/question.ts'
import { type DigestInput, digestOf } from './markdown.ts'

type Asked = {
  dora(question: DoraQuestion): Promise<DoraAnswer>
  flow(question: FlowQuestion): Promise<FlowAnswer>
  toil(project: ProjectName, span: Span): Promise<ToilAnswer>
  culture(project: ProjectName): Promise<CalmsAnswer['culture']>
  incidents(of: { project: ProjectName }, limit: number): Promise<DigestInput['incidents']>
}

/** Asks everything that a digest tells of production. */
export const composeWith =
  ({ dora, flow, toil, culture, incidents }: Asked) =>
  async (project: ProjectName, span: Span, zone: string): Promise<string> => {
    const scope = { project, services: [], environment: defaultEnvironment, bucket: 'year' as const, zone }
    const earlier = { from: Math.max(0, 2 * span.from - span.until), until: span.from }
    const began = await incidents({ project }, 200)
    return digestOf({
      ...{ project, span, zone },
      now: (await dora({ ...scope, span })).total,
      before: (await dora({ ...scope, span: earlier })).total,
      flow: await flow({ ...scope, span }),
      toil: await toil(project, span),
      culture: await culture(project),
      incidents: began.filter(
        ({ beganAt, resolvedAt }) => beganAt < span.until && (beganAt >= span.from || resolvedAt === null),
      ),
    })
  }
