import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeHsmKey, openHsmKey } from '../../src/main/hsm-link.ts'
import { eventually } from '../fakes/eventually.ts'
import { makeSoftHsm } from '../fakes/soft-hsm.ts'

const CONTEXT = Buffer.from('context')
const KEY = Buffer.alloc(32, 7)

/** Processes of ours that hold the HSM's library. */
function hsmProcesses(): readonly number[] {
  const own = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ').map(Number)
  return own.filter((pid) => pid > 0 && commandOf(pid).includes('hsm-process'))
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

t.test('the HSM has a process of its own; one that dies is replaced at the next order', async (t) => {
  const options = makeSoftHsm(t.testdir())
  await t.rejects(openHsmKey(options), { name: 'KekFailure', code: 'kek_missing', detail: 'no_key' })
  await makeHsmKey(options)
  await t.rejects(makeHsmKey(options), { code: 'kek_unusable', detail: 'key_exists' })
  const kek = await openHsmKey(options)
  t.match(kek, { id: 'pkcs11:tonewall:kek-1', provider: 'pkcs11', isExtractable: false, isSealed: false })
  const wrapped = await kek.wrap(KEY, CONTEXT)
  t.same(await kek.unwrap(wrapped, CONTEXT), KEY)
  t.equal(await kek.unwrap(wrapped, Buffer.from('other')), null)

  const [pid] = hsmProcesses()
  if (pid === undefined) throw new Error('there must be one')
  const lost = kek.unwrap(wrapped, CONTEXT)
  process.kill(pid, 'SIGKILL')
  await lost.then(
    (key) => t.same(key, KEY),
    (error: unknown) => t.match(error, { code: 'kek_unreachable' }),
  )
  await eventually(() => !hsmProcesses().includes(pid), 30_000)
  t.same(await kek.unwrap(wrapped, CONTEXT).catch(() => kek.unwrap(wrapped, CONTEXT)), KEY)
  kek.close()
  kek.close()
  await t.rejects(kek.wrap(KEY, CONTEXT), { code: 'kek_unreachable' })
  await eventually(() => hsmProcesses().length === 0, 30_000)
})

t.test('a wrong PIN, a library that is none: said as it is, and without the PIN', async (t) => {
  const folder = t.testdir()
  const options = makeSoftHsm(folder)
  writeFileSync(join(folder, 'wrong'), 'not the pin\n')
  await t.rejects(openHsmKey({ ...options, pinFile: join(folder, 'wrong') }), {
    code: 'kek_refused',
    detail: 'pin_refused CKR 0xa0',
  })
  await t.rejects(openHsmKey({ ...options, library: join(folder, 'wrong') }), { code: 'kek_unusable' })
  await t.rejects(openHsmKey({ ...options, environment: {} }), { name: 'KekFailure' })
})
