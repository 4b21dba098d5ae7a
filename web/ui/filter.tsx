import { useEffect, useRef, useState } from 'react'
import { inputShape } from './parts.tsx'

/** A field that filters a list as one types. What is typed stands there at once; the address follows. */
export const FilterBox = ({
  label,
  value,
  change,
}: {
  label: string
  value: string
  change: (value: string) => void
}) => {
  const [typed, setTyped] = useState(value)
  const box = useRef<HTMLInputElement>(null)
  // Back and forward change what is filtered, too; while somebody types, the address is only behind.
  useEffect(() => {
    if (document.activeElement !== box.current) setTyped(value)
  }, [value])
  return (
    <input
      ref={box}
      type="search"
      aria-label={label}
      placeholder={label}
      value={typed}
      onChange={({ target }) => {
        setTyped(target.value)
        change(target.value)
      }}
      className={`${inputShape} w-56`}
    />
  )
}
