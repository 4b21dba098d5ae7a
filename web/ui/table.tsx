import type { ReactNode, TdHTMLAttributes } from 'react'
import { t } from '../texts/en.ts'

/**
 * A table whose cells keep their line where they can. Where its place is too narrow for that, as on a phone, each row folds into a card
 * (styles.css): what it is about and how that is, then the rest in as many lines as it takes, then what can be done. It stays a table to
 * those who listen to it. What is wider still scrolls by itself.
 */
export const TableBox = ({ label, children }: { label: string; children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
  <section aria-label={label} tabIndex={0} className="table-box relative overflow-x-auto">
    <table className="w-full border-collapse text-left [&_td]:border-t [&_td]:px-4 [&_td]:py-2.5 [&_th]:px-4 [&_th]:py-2 [&_th]:text-xs [&_th]:font-normal [&_th]:whitespace-nowrap [&_th]:text-soft [&_tr:hover>td]:bg-sunk">
      {children}
    </table>
  </section>
)

/**
 * Where a cell is in a folded row: what the row is about, beside that at the right, on a line of its own, at the end as what can be done,
 * or all of a row that tells more of the one before. Where nothing is said it stands among the rest, before the lines.
 */
type Place = 'title' | 'aside' | 'line' | 'actions' | 'whole'

export const Cell = ({
  fold,
  label,
  children,
  ...rest
}: TdHTMLAttributes<HTMLTableCellElement> & {
  fold?: Place
  /** What a folded row calls it, as its column's heading is not seen there. */
  label?: string
}) => (
  <td {...rest} data-fold={fold}>
    {label !== undefined && children !== null && children !== false && (
      <span aria-hidden="true" className="table-label">
        {label}{' '}
      </span>
    )}
    {children}
  </td>
)

/** The heading over what can be done with each row, for those who listen to the table. */
export const ActionsHead = () => (
  <th>
    <span className="sr-only">{t.table.actions}</span>
  </th>
)
