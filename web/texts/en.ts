/** What the web says, in English. */
export * as t from './en/index.ts'
