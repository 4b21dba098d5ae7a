/**
 * A value as a store keeps it: PostgreSQL's text cannot hold U+0000, and one in a name or a comment from outside must not stop a view
 * there. Both stores write U+FFFD instead, so that they hold the same.
 */
export const storable = (value: unknown): unknown =>
  typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value
