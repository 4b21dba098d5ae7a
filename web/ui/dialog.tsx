import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Refusal } from '../api/refusal.ts'
import { t } from '../texts/en.ts'
import { Button } from './parts.tsx'

/** The browser's own dialog: it keeps the focus, closes with Escape, and gives the focus back. */
export const Dialog = ({
  title,
  close,
  children,
  className = 'w-[min(32rem,calc(100vw-2rem))]',
  isTitleHidden = false,
}: {
  title: string
  close: () => void
  children: ReactNode
  className?: string
  isTitleHidden?: boolean
}) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const name = useId()
  useEffect(() => {
    const element = dialog.current
    if (element && !element.open) element.showModal()
    return () => element?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it; the click is for those who point beside it
    <dialog
      ref={dialog}
      aria-labelledby={name}
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
      className={`rounded-lg border border-line bg-raised p-0 shadow-xl ${className}`}
    >
      <h2 id={name} className={isTitleHidden ? 'sr-only' : 'm-0 px-5 pt-5 text-base font-semibold'}>
        {title}
      </h2>
      {children}
    </dialog>
  )
}

/** Asks once more before something is done; stays, with what went wrong, when it could not be. */
export const Confirm = ({
  title,
  detail,
  action,
  isDangerous = false,
  close,
  act,
  children,
}: {
  title: string
  detail: ReactNode
  action: string
  isDangerous?: boolean
  close: () => void
  act: () => Promise<unknown>
  children?: ReactNode
}) => {
  const [isWorking, setIsWorking] = useState(false)
  const [refusal, setRefusal] = useState<Refusal | null>(null)
  const confirm = async (): Promise<void> => {
    setIsWorking(true)
    setRefusal(null)
    try {
      await act()
      close()
    } catch (error) {
      setRefusal(
        error instanceof Refusal ? error : new Refusal({ kind: 'web', status: 0, detail: String(error), next: null }),
      )
    } finally {
      setIsWorking(false)
    }
  }
  return (
    <Dialog title={title} close={close}>
      <form
        className="flex flex-col gap-4 px-5 pt-2 pb-5"
        onSubmit={(event) => {
          event.preventDefault()
          void confirm()
        }}
      >
        <div className="text-soft">{detail}</div>
        {children}
        {refusal && (
          <p role="alert" className="m-0 rounded-md bg-bad-wash p-3 text-bad">
            <bdi>{refusal.detail}</bdi>
            {refusal.next && <span className="block">{refusal.next}</span>}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t.actions.cancel}</Button>
          <Button type="submit" kind={isDangerous ? 'danger' : 'primary'} disabled={isWorking} autoFocus>
            {isWorking ? t.actions.working : action}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
