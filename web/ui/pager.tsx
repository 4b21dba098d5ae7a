import { Link } from '@tanstack/react-router'
import { changedSearch } from './search.ts'

/** A page to go to: what stands on the link, and which entry it is the page before or after. */
type Way = { readonly name: string; readonly before?: string | null; readonly after?: string | null }

/** Ways to the pages beside a page of a list, each an address of its own; nothing where one page holds all. */
export const Pager = ({ label, back, on }: { label: string; back: Way; on: Way }) =>
  isOpen(back) || isOpen(on) ? (
    <nav aria-label={label} className="flex min-h-11 items-center justify-between gap-4 border-t border-line px-4 py-2">
      <Turn way={back} sign={`← ${back.name}`} />
      <Turn way={on} sign={`${on.name} →`} />
    </nav>
  ) : null

const isOpen = ({ before, after }: Way): boolean => (before ?? after ?? null) !== null

const Turn = ({ way, sign }: { way: Way; sign: string }) =>
  isOpen(way) ? (
    <Link
      to="."
      search={(all) => changedSearch(all, { before: way.before ?? undefined, after: way.after ?? undefined })}
      className="text-accent"
    >
      {sign}
    </Link>
  ) : (
    <span />
  )
