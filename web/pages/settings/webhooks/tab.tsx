import { useState } from 'react'
import { useMay } from '../../../shell/role.ts'
import { t } from '../../../texts/en.ts'
import { Dialog } from '../../../ui/dialog.tsx'
import { Button, Command } from '../../../ui/parts.tsx'
import { Received } from './received.tsx'
import { Sources } from './sources.tsx'
import { Subscriptions } from './subscriptions.tsx'

/** A secret that was made just now: it is shown this once. `hook`: where the system is to send, for one that tells. */
export type Made = { readonly name: string; readonly secret: string | null; readonly hook: string | null }

/** Who is told of what happens here, and who tells of what happens elsewhere. */
export const WebhooksTab = ({ project }: { project: string }) => {
  const maySet = useMay('administrator', project)
  const [made, setMade] = useState<Made | null>(null)
  const close = (): void => setMade(null)
  return (
    <div className="flex flex-col gap-4">
      <Subscriptions project={project} maySet={maySet} made={setMade} />
      <Sources project={project} maySet={maySet} made={setMade} />
      <Received project={project} />
      {made && (
        <Dialog title={t.door.secretTitle(made.name)} close={close}>
          <div className="flex flex-col gap-3 px-5 pt-2 pb-5">
            {made.secret !== null && (
              <>
                <p className="m-0">{t.door.secretOnce}</p>
                <Command text={made.secret} />
              </>
            )}
            {made.hook !== null && (
              <>
                <p className="m-0">{t.door.hook}</p>
                <Command text={made.hook} />
              </>
            )}
            <Button className="self-end" onClick={close}>
              {t.shell.close}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  )
}
