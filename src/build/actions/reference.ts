/** What `uses:` of a step names. */
export type ActionReference =
  /** `./path`, below the workspace as it is when the step runs. */
  | { readonly kind: 'local'; readonly path: string }
  /** `owner/repo/path@ref` */
  | RemoteReference
  /** `docker://image` */
  | { readonly kind: 'image'; readonly image: string }

export type RemoteReference = {
  readonly kind: 'remote'
  /** As written; compared ignoring case. */
  readonly owner: string
  readonly repository: string
  /** Without slashes at its ends; empty for the repository's root. */
  readonly path: string
  readonly ref: string
}

/** GitHub's own rules: owners have letters, digits and dashes; repositories dots and underscores as well. */
const ownerPattern = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$/
const repositoryPattern = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/
/** A branch, a tag or a commit; nothing that Git would take for an option, a range or a path that leads out. */
const refPattern = /^(?![-/.])(?!.*(?:\.\.|@\{|\/\/|\/\.|\.lock$|[/.]$))[A-Za-z0-9._/+@#%-]{1,200}$/
const imagePattern = /^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,250}$/

export type ReferenceReading =
  | { readonly kind: 'read'; readonly reference: ActionReference }
  | { readonly kind: 'refused'; readonly detail: string }

/** Reads `uses:` of a step in one of its three forms. */
export const readReference = (uses: string): ReferenceReading => {
  const refused = (why: string): ReferenceReading => ({ kind: 'refused', detail: `uses: ${uses} ${why}` })
  if (uses.startsWith('./')) {
    const path = uses.slice(2).replace(/\/+$/, '')
    return path.split('/').includes('..')
      ? refused('leads out of the workspace')
      : { kind: 'read', reference: { kind: 'local', path } }
  }
  if (uses.startsWith('docker://')) {
    const image = uses.slice('docker://'.length)
    return imagePattern.test(image) ? { kind: 'read', reference: { kind: 'image', image } } : refused('names no image')
  }
  const at = uses.lastIndexOf('@')
  const [owner = '', repository = '', ...rest] = (at < 0 ? uses : uses.slice(0, at)).split('/')
  const ref = at < 0 ? '' : uses.slice(at + 1)
  const path = rest.filter((part) => part !== '')
  if (!ownerPattern.test(owner) || !repositoryPattern.test(repository))
    return refused('is neither owner/repository[/path]@ref nor ./path nor docker://image')
  if (path.some((part) => part === '.' || part === '..')) return refused('leads out of its repository')
  if (ref === '') return refused('lacks a version: write it as owner/repository@ref')
  if (!refPattern.test(ref)) return refused(`names no branch, tag or commit: ${ref}`)
  return { kind: 'read', reference: { kind: 'remote', owner, repository, path: path.join('/'), ref } }
}

/** `owner/repo/path`, by which built-in actions are known. */
export const nameOf = ({ owner, repository, path }: RemoteReference): string =>
  [owner, repository, path].filter(Boolean).join('/').toLowerCase()

/** As it was written. */
export const describeReference = (reference: ActionReference): string => {
  switch (reference.kind) {
    case 'local':
      return `./${reference.path}`
    case 'image':
      return `docker://${reference.image}`
    case 'remote':
      return `${[reference.owner, reference.repository, reference.path].filter(Boolean).join('/')}@${reference.ref}`
  }
}
