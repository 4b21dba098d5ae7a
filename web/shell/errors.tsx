import { type ErrorComponentProps, Link } from '@tanstack/react-router'
import { t } from '../texts/en.ts'
import { Button } from '../ui/parts.tsx'

/** A fault of the page itself; the rest of the web stays. */
export const Crashed = ({ error }: ErrorComponentProps) => (
  <div role="alert" className="flex flex-col items-start gap-2 p-6">
    <h1 className="m-0 text-lg font-semibold">{t.states.crashed}</h1>
    <p className="m-0 text-soft">{t.states.crashedNext}</p>
    <pre className="m-0 max-w-full overflow-x-auto whitespace-pre-wrap rounded-md bg-sunk p-3 font-mono text-xs">
      {error instanceof Error ? error.message : String(error)}
    </pre>
    <Button onClick={() => location.reload()}>{t.states.reload}</Button>
  </div>
)

export const NoSuchPage = () => (
  <div className="flex flex-col items-start gap-2 p-6">
    <h1 className="m-0 text-lg font-semibold">{t.states.notFound}</h1>
    <Link to="/" className="text-accent">
      {t.states.notFoundNext}
    </Link>
  </div>
)
