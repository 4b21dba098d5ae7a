import { X509Certificate } from 'node:crypto'
import { certificateFor } from '../api/tls.ts'
import { systemClock as clock } from '../clock.ts'
import { homeIn, playScene } from './scene.testing.ts'

await playScene({
  'a certificate of our own': async (directory) => {
    const home = homeIn(directory)
    const { cert } = (await certificateFor({ kind: 'self-signed' }, home, ['localhost'], clock)) ?? {}
    return cert && new X509Certificate(cert).checkHost('localhost')
  },
})
