import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SPEECH_PACKAGES, loadSpeech, type Speech } from '../../../src/demo/audio/speech.ts'
import { formatWav } from '../../../src/demo/audio/wav.ts'

async function prompts(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prompts-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const name of ['a', 'b', 'c']) {
    const samples = Int16Array.from({ length: 20_000 }, (_, at) => Math.round(400 * Math.sin(at * name.charCodeAt(0))))
    await writeFile(join(folder, `${name}.wav`), formatWav({ rateHz: 8_000, samples }))
  }
  return folder
}

/** A fingerprint: a difference of a hundred thousand samples takes long to show. */
function print(speech: Speech): string {
  return speech.kind === 'missing' ? '' : createHash('sha256').update(speech.samples).digest('hex')
}

t.test('the same voice and seed always say the same, others do not', async (t) => {
  const folder = await prompts()
  const first = await loadSpeech({ voice: 'payer', seed: 1 }, folder)
  t.match(first, { kind: 'speech', source: 'recorded' })
  t.equal(print(await loadSpeech({ voice: 'payer', seed: 1 }, folder)), print(first))
  t.not(print(await loadSpeech({ voice: 'agent', seed: 1 }, folder)), print(first))
  t.ok(first.kind === 'speech' && first.samples.some((sample) => sample > 2_000), 'brought to a usual level')
})

t.test('without recordings and without espeak-ng the packages are named', async (t) => {
  const path = process.env['PATH']
  process.env['PATH'] = ''
  t.teardown(() => {
    process.env['PATH'] = path
  })
  t.same(await loadSpeech({ voice: 'payer', seed: 1 }, '/nowhere'), {
    kind: 'missing',
    code: 'speech_missing',
    packages: SPEECH_PACKAGES,
  })
})

t.test('without recordings espeak-ng speaks, where it is installed', async (t) => {
  const speech = await loadSpeech({ voice: 'agent', seed: 2 }, '/nowhere')
  const seconds = speech.kind === 'missing' ? 0 : speech.samples.length / 8_000
  t.ok(speech.kind === 'missing' || speech.source === 'espeak')
  t.ok(speech.kind === 'missing' || seconds > 10)
})
