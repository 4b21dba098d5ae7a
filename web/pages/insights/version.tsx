import { Link } from '@tanstack/react-router'
import type { Learned, Version } from '../../api/learn-queries.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'

type Names = Pick<Learned, 'revision' | 'commit'>

/** By its commit; one without by the name that it came with, which is cut short only where it is a commit or a digest itself. */
export const versionOf = ({ commit, revision }: Names): string => {
  if (commit !== null) return short(commit)
  return revision === null ? '–' : /^(sha256:)?[0-9a-f]{40,64}$/.test(revision) ? short(revision) : revision
}

/** A version; the release's digest, or its whole name, is told on hover. */
export const VersionName = ({ of, className }: { of: Names; className: string }) => (
  <Foreign className={`font-mono ${className}`} title={of.revision ?? undefined}>
    {versionOf(of)}
  </Foreign>
)

/** A deployment by the service and version that it brought; one of which that is not known by itself. */
export const DeployedLink = ({
  project,
  of: { deployment, version },
}: {
  project: string
  of: { readonly deployment: string; readonly version: Version | null }
}) => (
  <Link
    to="/projects/$project/insights/deployment"
    params={{ project }}
    search={{ name: deployment }}
    className="text-ink"
  >
    {version === null ? (
      <Foreign className="font-mono text-xs [overflow-wrap:anywhere]">{deployment}</Foreign>
    ) : (
      <>
        <Foreign className="font-medium">{version.service}</Foreign> <VersionName of={version} className="text-xs" />
      </>
    )}
  </Link>
)
