import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { t } from '../texts/en.ts'
import { Dialog } from '../ui/dialog.tsx'
import { usePlaces } from './navigation.tsx'
import { useProject } from './project.ts'

const secondKeyMs = 1_200

/** Keys that hold everywhere but where one types: ⌘K or / searches, g and a letter goes somewhere, ? tells of them. */
export const useKeyboard = (open: (what: 'palette' | 'keys') => void): void => {
  const navigate = useNavigate()
  const places = usePlaces()
  const project = useProject()
  /** When g was pressed; the page may be drawn anew between that and the second key. */
  const wentAt = useRef(Number.NEGATIVE_INFINITY)
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() === 'k' && (event.metaKey || event.ctrlKey)) {
        event.preventDefault()
        open('palette')
        return
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return
      if (document.querySelector('dialog[open]')) return
      const place = places.find(({ key }) => key === event.key)
      if (place && event.timeStamp - wentAt.current < secondKeyMs) {
        wentAt.current = Number.NEGATIVE_INFINITY
        void navigate({ to: place.to, params: { project } })
      } else if (event.key === 'g') wentAt.current = event.timeStamp
      else if (event.key === '?') open('keys')
      else if (event.key === '/') {
        event.preventDefault()
        open('palette')
      }
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [navigate, places, project, open])
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

export const KeysHelp = ({ close }: { close: () => void }) => {
  const places = usePlaces()
  const rows = [
    { keys: ['Ctrl K', '/'], what: t.keys.palette },
    ...places.map(({ name, key }) => ({ keys: [`g ${key}`], what: t.keys.go(t.nav[name]) })),
    { keys: ['?'], what: t.keys.help },
    { keys: ['Esc'], what: t.keys.close },
  ]
  return (
    <Dialog title={t.keys.title} close={close}>
      <dl className="m-0 grid grid-cols-[auto_1fr] items-center gap-x-6 gap-y-2 px-5 pt-4 pb-5">
        {rows.map(({ keys, what }) => (
          <div key={what} className="contents">
            <dt className="flex gap-2">
              {keys.map((key) => (
                <kbd key={key} className="rounded border border-line bg-sunk px-1.5 py-0.5 font-mono text-xs">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd className="m-0 text-soft">{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
