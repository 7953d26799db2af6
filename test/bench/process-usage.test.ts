import t from 'tap'
import { cpuUs, proportionalBytes, readProportional, residentBytes } from '../../bench/load/process-usage.ts'

t.test('memory is read from the kernel’s own page', (t) => {
  t.equal(
    readProportional('5555-7777 ---p 00 00:00 0 [rollup]\nRss:  2048 kB\nPss:  1024 kB\nPss_Dirty: 3 kB\n'),
    1_048_576,
  )
  t.ok(Number.isNaN(readProportional('')), 'a page without it is no nought')
  t.end()
})

t.test('this process takes memory and time', (t) => {
  t.ok(proportionalBytes(process.pid) > 1_000_000)
  t.ok(residentBytes(process.pid) >= proportionalBytes(process.pid) / 2)
  t.ok(cpuUs(process.pid) > 0)
  t.end()
})
