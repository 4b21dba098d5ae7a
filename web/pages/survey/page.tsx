import { useQuery } from '@tanstack/react-query'
import { hc } from 'hono/client'
import { useEffect, useState } from 'react'
import type { surveyRoutes } from '../../../src/learn/survey/routes.ts'
import { answer, base } from '../../api/client.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { Form } from '../../ui/form.tsx'
import { date } from '../../ui/format.ts'
import { Logo } from '../../ui/logo.tsx'
import { Loaded } from '../../ui/states.tsx'

/** Whoever answers is told to nobody: no cookie goes along. */
const anonymous = hc<ReturnType<typeof surveyRoutes>>(base, { init: { credentials: 'omit', cache: 'no-store' } })
const answers = [1, 2, 3, 4, 5, 6, 7] as const
const carried = (): string | null => /^#([\w-]{43})$/.exec(location.hash)?.[1] ?? null

/** The statements of a survey, for who has a link of it: what stands after the #, which no server is told with the address. */
export const SurveyPage = () => {
  const [link, setLink] = useState(carried)
  useEffect(() => {
    const look = (): void => setLink(carried())
    addEventListener('hashchange', look)
    document.title = `${t.survey.title} · ${t.name}`
    return () => removeEventListener('hashchange', look)
  }, [])
  return (
    <main id="content" className="mx-auto flex w-full max-w-2xl flex-col gap-6 px-4 py-10">
      <p className="m-0 flex items-center gap-2 font-semibold">
        <Logo size={24} />
        {t.name}
      </p>
      {link === null ? (
        <>
          <h1 className="m-0 text-2xl font-semibold tracking-tight">{t.survey.noLink}</h1>
          <p className="m-0">{t.survey.noLinkDetail}</p>
        </>
      ) : (
        <Asked key={link} link={link} />
      )}
    </main>
  )
}

const Asked = ({ link }: { link: string }) => {
  const [isSent, setIsSent] = useState(false)
  const query = useQuery({
    queryKey: ['survey', link],
    queryFn: () => answer(anonymous.surveys.questions.$post({ json: { link } })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  const send = async (data: FormData, count: number): Promise<void> => {
    const given = Array.from({ length: count }, (_, at) => Number(data.get(`statement-${at}`)) || null)
    if (given.every((one) => one === null))
      throw new Refusal({ kind: 'no-answer', status: 0, detail: t.survey.fewer, next: null })
    await answer(anonymous.surveys.answers.$post({ json: { link, answers: given } }))
    setIsSent(true)
  }
  if (isSent)
    return (
      <div role="status">
        <h1 className="m-0 text-2xl font-semibold tracking-tight">{t.survey.sent}</h1>
        <p>{t.survey.sentDetail}</p>
      </div>
    )
  return (
    <>
      <h1 className="m-0 text-2xl font-semibold tracking-tight">{t.survey.title}</h1>
      <Loaded query={query}>
        {({ project, closesAt, statements }) => (
          <>
            <p className="m-0 text-soft">
              {t.survey.about(project)}, {t.calms.until} {date(closesAt)}. {t.survey.anonymous}
            </p>
            <Form action={t.survey.send} send={(data) => send(data, statements.length)} autoComplete="off">
              {statements.map((statement, at) => (
                <Statement key={statement} statement={statement} name={`statement-${at}`} />
              ))}
            </Form>
          </>
        )}
      </Loaded>
    </>
  )
}

const Statement = ({ statement, name }: { statement: string; name: string }) => (
  <fieldset className="m-0 min-w-0 rounded-lg border border-line bg-panel p-4">
    <legend className="sr-only">{statement}</legend>
    <p aria-hidden="true" className="m-0 mb-3 font-medium">
      {statement}
    </p>
    <div className="flex flex-wrap gap-1">
      {answers.map((value) => (
        <label
          key={value}
          className="flex min-w-9 flex-1 flex-col items-center gap-1 rounded-md border border-line py-2 has-checked:border-accent has-checked:bg-accent-wash"
        >
          <input
            type="radio"
            name={name}
            value={value}
            aria-label={value === 1 ? `1, ${t.survey.low}` : value === 7 ? `7, ${t.survey.high}` : `${value}`}
            className="size-4"
          />
          <span aria-hidden="true">{value}</span>
        </label>
      ))}
    </div>
    <p aria-hidden="true" className="m-0 mt-1 flex justify-between text-xs text-soft">
      <span>{t.survey.low}</span>
      <span>{t.survey.high}</span>
    </p>
    <label className="mt-2 flex min-h-8 items-center gap-2 text-soft">
      <input type="radio" name={name} value="" defaultChecked className="size-4" />
      {t.survey.none}
    </label>
  </fieldset>
)
