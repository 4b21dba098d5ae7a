import type { Language, LanguageName } from '../service.ts'
import { go } from './go.ts'
import { node } from './node.ts'
import { python } from './python.ts'
import { static_ } from './static.ts'

/** Every language, in the order in which `headway init` tries them; see docs/languages.md for how to add one. */
export const languages: Readonly<Record<LanguageName, Language>> = { go, python, node, static: static_ }
