/** What a visitor reads. */
export const page = (visitor) => `Hello, ${visitor}!\n`
