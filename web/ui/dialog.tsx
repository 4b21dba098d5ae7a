import { type ReactNode, useEffect, useId, useRef } from 'react'
import { t } from '../texts/en.ts'
import { Foreign } from './foreign.tsx'
import { Form } from './form.tsx'
import { Button, Command } from './parts.tsx'

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
      className={`rounded-lg border border-line bg-raised p-0 text-left font-normal whitespace-normal text-ink shadow-xl ${className}`}
    >
      <h2 id={name} className={isTitleHidden ? 'sr-only' : 'm-0 px-5 pt-5 text-base font-semibold'}>
        <Foreign>{title}</Foreign>
      </h2>
      {children}
    </dialog>
  )
}

/** Asks once more before something is done, with fields for what it needs to know; stays, with what went wrong, when it could not be. */
export const Confirm = ({
  title,
  detail,
  action,
  isDangerous = false,
  isWide = false,
  close,
  act,
  children,
}: {
  title: string
  detail?: ReactNode
  action: string
  isDangerous?: boolean
  isWide?: boolean
  close: () => void
  act: (data: FormData) => Promise<unknown>
  children?: ReactNode
}) => (
  <Dialog title={title} close={close} {...(isWide ? { className: 'w-[min(44rem,calc(100vw-2rem))]' } : {})}>
    <div className="flex flex-col gap-4 px-5 pt-2 pb-5">
      {detail && <div className="text-soft">{detail}</div>}
      <Form
        action={action}
        kind={isDangerous ? 'danger' : 'primary'}
        cancel={close}
        send={async (data) => {
          await act(data)
          close()
        }}
      >
        {children}
      </Form>
    </div>
  </Dialog>
)

/** What was made just now and is shown this once, to be copied. */
export const Made = ({
  title,
  parts,
  close,
}: {
  title: string
  parts: readonly { readonly said: string; readonly text: string }[]
  close: () => void
}) => (
  <Dialog title={title} close={close}>
    <div className="flex flex-col gap-3 px-5 pt-2 pb-5">
      {parts.map(({ said, text }) => (
        <div key={said} className="flex flex-col gap-3">
          <p className="m-0">{said}</p>
          <Command text={text} />
        </div>
      ))}
      <Button className="self-end" onClick={close}>
        {t.shell.close}
      </Button>
    </div>
  </Dialog>
)
