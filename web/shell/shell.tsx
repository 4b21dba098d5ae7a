import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouteContext, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react'
import { useLink } from '../api/live.ts'
import { projects, whoAmI } from '../api/queries.ts'
import { useIsOver } from '../api/session.ts'
import { t } from '../texts/en.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Foreign } from '../ui/foreign.tsx'
import { Logo } from '../ui/logo.tsx'
import { Button, inputShape } from '../ui/parts.tsx'
import { KeysHelp, useKeyboard } from './keyboard.tsx'
import { Navigation } from './navigation.tsx'
import { Palette } from './palette.tsx'
import { rememberProject, useProject } from './project.ts'
import { useSignOut } from './sign-out.ts'
import { type Theme, useTheme } from './theme.ts'

type Open = 'palette' | 'keys' | 'menu' | null

const SignInAgain = lazy(async () => ({ default: (await import('../pages/sign-in/again.tsx')).SignInAgain }))

/** What stands around every page. */
export const Shell = () => {
  const { live, session } = useRouteContext({ from: '__root__' })
  const { data: me } = useQuery(whoAmI())
  const isOver = useIsOver(session)
  const [open, setOpen] = useState<Open>(null)
  const close = useCallback(() => setOpen(null), [])
  useKeyboard(useCallback((what) => !session.isOver() && setOpen(what), [session]))
  useEffect(() => {
    live.start()
    return live.stop
  }, [live])
  const project = useProject()
  useEffect(() => rememberProject(project), [project])
  useTitle()

  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15rem_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only rounded-md bg-accent-fill text-white focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-20 focus:px-3 focus:py-2"
      >
        {t.shell.skip}
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col gap-4 overflow-y-auto border-r border-line bg-panel p-4 lg:flex">
        <Brand />
        <SearchButton open={() => setOpen('palette')} />
        <ProjectSwitch />
        <Navigation />
        <Foot showKeys={() => setOpen('keys')} />
      </aside>
      <div className="flex min-w-0 flex-col">
        <header className="sticky top-0 z-10 flex items-center justify-between gap-2 border-b border-line bg-panel px-4 py-2 lg:hidden">
          <Brand />
          <div className="flex gap-2">
            <Button kind="quiet" onClick={() => setOpen('palette')} aria-label={t.shell.search}>
              <Glass />
            </Button>
            <Button onClick={() => setOpen('menu')}>{t.shell.menu}</Button>
          </div>
        </header>
        <LinkBanner />
        <main
          id="content"
          tabIndex={-1}
          className="mx-auto w-full max-w-[120rem] flex-1 p-4 outline-none sm:p-6 xl:p-8"
        >
          <Outlet />
        </main>
      </div>
      {isOver && me && (
        <Suspense>
          <SignInAgain user={me.user} />
        </Suspense>
      )}
      {open === 'palette' && <Palette close={close} />}
      {open === 'keys' && <KeysHelp close={close} />}
      {open === 'menu' && (
        <Dialog title={t.shell.menu} close={close}>
          <div className="flex flex-col gap-4 p-5">
            <ProjectSwitch />
            <Navigation went={close} />
            <Foot showKeys={() => setOpen('keys')} />
          </div>
        </Dialog>
      )}
    </div>
  )
}

const Brand = () => (
  <Link
    to="/"
    className="flex items-center gap-2 rounded-md text-base font-semibold tracking-tight text-ink no-underline"
  >
    <Logo size={24} />
    {t.name}
  </Link>
)

const Glass = () => (
  <svg aria-hidden="true" viewBox="0 0 20 20" className="size-4 fill-none stroke-current" strokeWidth="1.8">
    <path d="M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Zm4-1.5 4 4" strokeLinecap="round" />
  </svg>
)

const SearchButton = ({ open }: { open: () => void }) => (
  <button
    type="button"
    onClick={open}
    className="flex min-h-9 items-center gap-2 rounded-md border border-line bg-page px-3 text-left text-soft hover:border-strong"
  >
    <Glass />
    <span className="min-w-0 flex-1 truncate">{t.shell.search}</span>
    <kbd className="font-mono text-xs">/</kbd>
  </button>
)

/** Shown where there is more than one to choose from. */
const ProjectSwitch = () => {
  const { data: known = [] } = useQuery(projects())
  const project = useProject()
  const navigate = useNavigate()
  const all = known.includes(project) ? known : [...known, project]
  if (all.length < 2) return null
  return (
    <label className="flex flex-col gap-1 text-xs text-soft">
      {t.shell.project}
      <select
        value={project}
        onChange={(event) => void navigate({ to: '/projects/$project', params: { project: event.target.value } })}
        className={inputShape}
      >
        {all.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}

const Foot = ({ showKeys }: { showKeys: () => void }) => {
  const { data: me } = useQuery(whoAmI())
  const [theme, choose] = useTheme()
  const signOut = useSignOut()
  return (
    <div className="mt-auto flex flex-col gap-3 pt-4">
      <label className="flex items-center justify-between gap-2 text-soft">
        {t.shell.theme.label}
        <select
          value={theme}
          onChange={(event) => choose(themeOf(event.target.value))}
          className="min-h-8 rounded-md border border-line bg-panel px-2 text-sm text-ink"
        >
          {themes.map((name) => (
            <option key={name} value={name}>
              {t.shell.theme[name]}
            </option>
          ))}
        </select>
      </label>
      <div className="flex items-center justify-between gap-2 border-t border-line pt-3">
        <Foreign className="min-w-0 truncate font-medium">{me?.user}</Foreign>
        <div className="flex">
          <Button kind="quiet" className="px-2" onClick={showKeys} aria-label={t.shell.keys}>
            ?
          </Button>
          <Button kind="quiet" className="px-2" onClick={() => void signOut().catch(() => undefined)}>
            {t.shell.signOut}
          </Button>
        </div>
      </div>
    </div>
  )
}

const themes: readonly Theme[] = ['system', 'light', 'dark']
const themeOf = (value: string): Theme => themes.find((theme) => theme === value) ?? 'system'

/** Says when the server does not answer, and that it answers again. Lies over the page, so that nothing jumps. */
const LinkBanner = () => {
  const { live } = useRouteContext({ from: '__root__' })
  const link = useLink(live)
  // A moment without an answer is a restart, of which nobody need know.
  const [isLost, setIsLost] = useState(false)
  useEffect(() => {
    if (link !== 'lost') return setIsLost(false)
    const timer = setTimeout(() => setIsLost(true), 700)
    return () => clearTimeout(timer)
  }, [link])
  const shown = isLost ? t.shell.lost : link === 'back' ? t.shell.back : null
  return (
    <div role="status" className="pointer-events-none fixed inset-x-4 bottom-4 z-20 flex justify-center">
      {shown && (
        <p
          className={`m-0 max-w-xl rounded-lg border px-4 py-3 shadow-lg ${isLost ? 'border-wait bg-wait-wash text-wait' : 'border-good bg-good-wash text-good'}`}
        >
          {shown}
        </p>
      )}
    </div>
  )
}

/** The page's name in the tab, and the focus on the page when one has gone to another. */
const useTitle = (): void => {
  const path = useRouterState({ select: (state) => state.location.pathname })
  const before = useRef(path)
  useEffect(() => {
    const [, , project, room, name, number] = path.split('/')
    const words = path.startsWith('/projects/')
      ? [name && decodeURIComponent(name), number && `#${number}`, nameOf(room), project]
      : [nameOf(path.slice(1))]
    document.title = [...words.filter(Boolean), t.name].join(' · ')
    if (before.current !== path) document.getElementById('content')?.focus({ preventScroll: true })
    before.current = path
  }, [path])
}

const nameOf = (room: string | undefined): string =>
  Object.entries(t.nav).find(([name]) => name === (room || 'loop'))?.[1] ?? ''
