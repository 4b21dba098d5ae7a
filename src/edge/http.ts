/**
 * `node:http` without what an import statement brings along: that reads every export, and some of them (fetch's, the WebSocket
 * client's) load themselves when they are read. It costs an idle edge 6 MB and its start 50 ms.
 */
export const {
  Agent,
  createServer,
  METHODS,
  request: sendRequest,
  STATUS_CODES,
} = process.getBuiltinModule('node:http')
