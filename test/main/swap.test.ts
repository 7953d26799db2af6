import t from 'tap'
import { swapAdvice, swapDevices } from '../../src/main/swap.ts'

const HEAD = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
const ON = `${HEAD}/dev/sda2 partition 1000 0 -2\n/swapfile file 1000 0 -3\n`
const GROUP = '0::/system.slice/tonewall.slice/tonewall-vault.service\n'

const system = (files: Readonly<Record<string, string>>) => (file: string) => files[file] ?? null

t.test('a machine without swap keeps memory in memory', (t) => {
  t.same(swapDevices(system({ '/proc/swaps': HEAD })), [])
  t.equal(swapAdvice(system({ '/proc/swaps': HEAD })), null)
  t.equal(swapAdvice(system({})), null)
  t.end()
})

t.test('each device is named, with what to do', (t) => {
  for (const group of [GROUP, '4:memory:/\n', '']) {
    const read = system({ '/proc/swaps': ON, '/proc/self/cgroup': group })
    t.same(swapDevices(read), ['/dev/sda2', '/swapfile'])
    t.match(swapAdvice(read), /card digits may be in it, to \/dev\/sda2, \/swapfile: switch swap off/)
  }
  t.end()
})

t.test('a cgroup that forbids swap, or one around it, is enough; one that limits it is not', (t) => {
  const below = (limits: Readonly<Record<string, string>>) =>
    swapDevices(system({ '/proc/swaps': ON, '/proc/self/cgroup': GROUP, ...limits }))
  const slice = '/sys/fs/cgroup/system.slice/tonewall.slice'
  t.same(below({ [`${slice}/tonewall-vault.service/memory.swap.max`]: '0\n' }), [])
  t.same(below({ [`${slice}/memory.swap.max`]: '0\n' }), [])
  t.equal(below({ [`${slice}/memory.swap.max`]: 'max\n' }).length, 2)
  t.equal(below({ [`${slice}/memory.swap.max`]: '4096\n' }).length, 2)
  t.end()
})

t.test('the files of this machine can be read', (t) => {
  t.ok(Array.isArray(swapDevices()))
  t.end()
})
