import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Logger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { CallRecordFile } from '../../src/sbc/call-record-file.ts'
import { sampleRecord } from '../fakes/call-records.ts'

function open(folder: string) {
  const metrics = new Metrics('sbc')
  const told: string[] = []
  const note = (_fields: unknown, text: string): void => void told.push(text)
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  return { file: new CallRecordFile({ folder, logger, metrics }), metrics, told }
}

t.test('records are lines of the day on which the call ended, readable by the owner alone', async (t) => {
  const folder = join(t.testdir(), 'calls')
  const { file, metrics } = open(folder)
  file.write(sampleRecord({ callId: 'a'.repeat(20), endedAt: '2026-11-22T23:59:59.999Z' }))
  file.write(sampleRecord({ callId: 'b'.repeat(20), endedAt: '2026-11-23T00:00:00.000Z' }))
  file.write(sampleRecord({ callId: 'c'.repeat(20), endedAt: '2026-11-22T23:59:59.999Z' }))
  await file.close()
  const lines = (day: string): unknown[] =>
    readFileSync(join(folder, `calls-${day}.jsonl`), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { callId: string }).callId[0])
  t.same(lines('2026-11-22'), ['a', 'c'])
  t.same(lines('2026-11-23'), ['b'])
  t.equal(statSync(join(folder, 'calls-2026-11-22.jsonl')).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  file.write(sampleRecord({ callId: 'd'.repeat(20), endedAt: '2026-11-23T00:00:00.000Z' }))
  await file.close()
  t.same(lines('2026-11-23'), ['b', 'd'], 'appended')
  t.match(await metrics.registry.metrics(), /call_records_total\{outcome="written",role="sbc"\} 4/)
})

t.test('a disk that takes nothing is told once, counted, and comes back', async (t) => {
  const parent = t.testdir()
  const folder = join(parent, 'calls')
  writeFileSync(folder, 'a file where the folder should be')
  const { file, metrics, told } = open(folder)
  for (let index = 0; index < 3; index += 1) {
    file.write(sampleRecord({}))
    await file.close()
  }
  t.same(told, ['call records cannot be written'])
  rmSync(folder)
  mkdirSync(folder)
  file.write(sampleRecord({}))
  await file.close()
  const text = await metrics.registry.metrics()
  t.match(text, /outcome="lost",role="sbc"\} 3/)
  t.match(text, /outcome="written",role="sbc"\} 1/)
})

t.test('more lines than may wait are lost and counted, not kept', async (t) => {
  const { file, metrics } = open(join(t.testdir(), 'calls'))
  for (let index = 0; index < 5_100; index += 1) file.write(sampleRecord({}))
  await file.close()
  t.match(await metrics.registry.metrics(), /outcome="lost",role="sbc"\} 100/)
})
