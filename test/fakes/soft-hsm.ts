import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LIBRARIES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm.so']
const PIN = 'a pin of the tests'

/** A software HSM (SoftHSM 2) with one token of the name `tonewall`, which lives in the folder. */
export function makeSoftHsm(folder: string) {
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens, { recursive: true })
  const settings = join(folder, 'softhsm2.conf')
  writeFileSync(settings, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  const environment = { SOFTHSM2_CONF: settings }
  const pins = ['--so-pin', 'of the security officer', '--pin', PIN]
  execFileSync('softhsm2-util', ['--init-token', '--free', '--label', 'tonewall', ...pins], {
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: 'ignore',
  })
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 })
  const library = LIBRARIES.find((file) => existsSync(file)) ?? ''
  return { library, token: 'tonewall', key: 'kek-1', pinFile, environment }
}
