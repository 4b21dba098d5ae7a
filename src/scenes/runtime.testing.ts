import assert from 'node:assert/strict'
import { systemClock as clock } from '../clock.ts'
import { loadSettings, noSettings } from '../edge/settings.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'a running edge is told other settings': async (directory) => {
    const home = homeIn(directory)
    const told = { ...noSettings, connectionsPerAddress: 7 }
    const at = { home, clock, edgeHost: '127.0.0.1', edgePort: 0 }
    await given(directory, () => connectProcessRuntime(at))
    const runtime = await connectProcessRuntime({ ...at, edgeSettings: told })
    const { edge } = await runtime.health()
    const answer = await fetch(`http://127.0.0.1:${edge.port}/`)
    await answer.text()
    await runtime.shutdown('stop')
    return [loadSettings(home.agent, assert.fail), answer.status, namesIn(home.sockets)]
  },

  'a living edge is replaced': async (directory) => {
    const home = homeIn(directory)
    const runtime = await connectProcessRuntime({ home, clock, edgeHost: '127.0.0.1', edgePort: 0 })
    const before = (await runtime.health()).edge
    const pid = await runtime.replaceEdge()
    const after = (await runtime.health()).edge
    const answer = await fetch(`http://127.0.0.1:${after.port}/`)
    await answer.text()
    await runtime.shutdown('stop')
    return [pid !== before.pid, after.pid === pid, after.port === before.port, answer.status, namesIn(home.sockets)]
  },
})
