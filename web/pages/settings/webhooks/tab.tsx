import { useState } from 'react'
import { useMay } from '../../../shell/role.ts'
import { t } from '../../../texts/en.ts'
import { Made } from '../../../ui/dialog.tsx'
import { Received } from './received.tsx'
import { Sources } from './sources.tsx'
import { Subscriptions } from './subscriptions.tsx'

/** A secret that was made just now: it is shown this once. `hook`: where the system is to send, for one that tells. */
export type Secret = { readonly name: string; readonly secret: string | null; readonly hook: string | null }

/** Who is told of what happens here, and who tells of what happens elsewhere. */
export const WebhooksTab = ({ project }: { project: string }) => {
  const maySet = useMay('administrator', project)
  const [made, setMade] = useState<Secret | null>(null)
  return (
    <div className="flex flex-col gap-4">
      <Subscriptions project={project} maySet={maySet} made={setMade} />
      <Sources project={project} maySet={maySet} made={setMade} />
      <Received project={project} />
      {made && (
        <Made
          title={t.door.secretTitle(made.name)}
          parts={[
            ...(made.secret === null ? [] : [{ said: t.door.secretOnce, text: made.secret }]),
            ...(made.hook === null ? [] : [{ said: t.door.hook, text: made.hook }]),
          ]}
          close={() => setMade(null)}
        />
      )}
    </div>
  )
}
