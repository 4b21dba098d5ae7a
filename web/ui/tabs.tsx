import { Link } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { inputShape } from './parts.tsx'
import { changedSearch } from './search.ts'

/** Pages beneath a page, each with an address of its own. */
export const Tabs = <Name extends string>({
  label,
  tabs,
  chosen,
  names,
}: {
  label: string
  tabs: readonly Name[]
  chosen: Name
  names: Readonly<Record<Name, string>>
}) => {
  const bar = useRef<HTMLElement>(null)
  // On a phone there are more tabs than have a place: the chosen one must be among those that are seen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one was chosen, or a role lets see more
  useEffect(() => {
    const seen = bar.current
    const tab = seen?.querySelector<HTMLElement>('[aria-current=page]')
    if (seen && tab) seen.scrollLeft = tab.offsetLeft - seen.offsetLeft - (seen.clientWidth - tab.offsetWidth) / 2
  }, [chosen, tabs.length])
  return (
    <nav ref={bar} aria-label={label} className="mb-4 flex gap-1 overflow-x-auto border-b border-line">
      {tabs.map((tab, at) => (
        <Link
          key={tab}
          to="."
          search={(before) => changedSearch(before, { tab: at === 0 ? undefined : tab })}
          activeOptions={{ exact: true }}
          aria-current={tab === chosen ? 'page' : undefined}
          className={`-mb-px whitespace-nowrap border-b-2 px-3 py-2 no-underline ${tab === chosen ? 'border-accent font-medium text-ink' : 'border-transparent text-soft hover:text-ink'}`}
        >
          {names[tab]}
        </Link>
      ))}
    </nav>
  )
}

/** One of a few, with its name beside it for those who do not see where it stands. */
export const Choice = <Value extends string>({
  label,
  value,
  options,
  choose,
  className = '',
}: {
  label: string
  value: Value
  options: readonly { readonly value: Value; readonly name: string }[]
  choose: (value: Value) => void
  className?: string
}) => (
  <select
    aria-label={label}
    value={value}
    onChange={(event) => {
      const chosen = options.find((option) => option.value === event.target.value)
      if (chosen) choose(chosen.value)
    }}
    className={`${inputShape} max-w-full ${className}`}
  >
    {options.map((option) => (
      <option key={option.value} value={option.value}>
        {option.name}
      </option>
    ))}
  </select>
)
