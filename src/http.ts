/**
 * Node's `node:http` and `node:https`, loaded when asked for. An `import` of `node:http` reads all of its exports, `WebSocket` among
 * them, which loads Node's other HTTP client: 6 MB of memory in each process, and as much of the program's file.
 */
export const plainHttp = () => process.getBuiltinModule('node:http')
export const secureHttp = () => process.getBuiltinModule('node:https')
