import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AwsV4Signer } from 'aws4fetch'
import t from 'tap'
import { AwsKmsKey, readCredentials } from '../../../src/cde/vault/aws-kms-key.ts'
import type { KeyEncryptionKey } from '../../../src/cde/vault/key-encryption-key.ts'
import { jsonWithSecret, secretField } from '../../../src/cde/vault/kms-json.ts'
import { KmsClient } from '../../../src/cde/vault/kms-request.ts'
import { TransitKey } from '../../../src/cde/vault/transit-key.ts'
import { signatureProblem } from '../../fakes/aws-signature.ts'
import { AWS_SECRET, FakeKms, TRANSIT_TOKEN } from '../../fakes/fake-kms.ts'

const KEY = Buffer.alloc(32, 7)
const CONTEXT = Buffer.from('context')
/** Short where no answer comes, and long where one does. */
const SILENT_MS = 300
const SLOW_MS = 30_000

const folder = t.testdir()
const kms = await FakeKms.start(folder)
t.teardown(() => kms.close())
const authority = readFileSync(kms.authority)
const credentialsFile = join(folder, 'credentials')
const tokenFile = join(folder, 'token')
writeFileSync(credentialsFile, `[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = ${AWS_SECRET}\n`)
writeFileSync(tokenFile, `${TRANSIT_TOKEN}\n`)

const aws = (change: object = {}) =>
  new AwsKmsKey({
    ...{ region: 'eu-central-1', key: 'alias/vault', credentialsFile, endpoint: kms.url, authority },
    ...{ attemptMs: SLOW_MS, ...change },
  })
const transit = (change: object = {}) =>
  new TransitKey({
    ...{ url: kms.url, mount: 'transit', key: 'vault', tokenFile, namespace: null, authority },
    ...{ attemptMs: SLOW_MS, ...change },
  })

t.test('our signer and the fake’s checker both know AWS’s published example', async (t) => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  const signer = new AwsV4Signer({
    ...{ method: 'GET', url: 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08', headers },
    ...{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
    ...{ service: 'iam', region: 'us-east-1', datetime: '20150830T123600Z', allHeaders: true },
  })
  const signature = '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7'
  t.equal(await signer.signature(), signature)
  const scope = 'AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request'
  const request = (authorization: string) => ({
    ...{ method: 'GET', path: '/', query: 'Action=ListUsers&Version=2010-05-08', body: Buffer.alloc(0) },
    headers: { ...headers, host: 'iam.amazonaws.com', 'x-amz-date': '20150830T123600Z', authorization },
  })
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=content-type;host;x-amz-date, Signature=`
  const expected = { secret: AWS_SECRET, region: 'us-east-1', service: 'iam', signed: ['host', 'x-amz-date'] }
  t.equal(signatureProblem(request(authorization + signature), expected), null)
  t.equal(signatureProblem(request(authorization + 'f'.repeat(64)), expected), 'signature')
})

for (const [name, open, id] of [
  ['AWS KMS', aws, 'aws-kms:eu-central-1:alias/vault'],
  ['Transit', transit, 'transit:transit:vault'],
] as const) {
  t.test(`${name} wraps and unwraps, bound to the context`, async (t) => {
    const kek: KeyEncryptionKey = open()
    t.teardown(() => kek.close())
    t.match(kek, { id, isSealed: false })
    const wrapped = await kek.wrap(KEY, CONTEXT)
    t.notOk(Buffer.from(wrapped).includes(KEY.subarray(0, 8)))
    t.same(await kek.unwrap(wrapped, CONTEXT), KEY)
    t.equal(await kek.unwrap(wrapped, Buffer.from('contexu')), null)
    const changed = Buffer.from(wrapped)
    changed.writeUInt8(changed.readUInt8(changed.length - 9) === 0x41 ? 0x42 : 0x41, changed.length - 9)
    t.equal(await kek.unwrap(changed, CONTEXT), null)
  })

  t.test(`${name} that fails is asked again, and then said to be away`, async (t) => {
    const kek = open()
    t.teardown(() => kek.close())
    const wrapped = await kek.wrap(KEY, CONTEXT)
    kms.mood = 'later'
    t.same(await kek.unwrap(wrapped, CONTEXT), KEY, 'once is nothing')
    const asked = kms.asked.length
    kms.mood = 'down'
    await t.rejects(kek.unwrap(wrapped, CONTEXT), { name: 'KekFailure', code: 'kek_unreachable', detail: 'status 503' })
    t.equal(kms.asked.length, asked + 3, 'three times, and no more')
    kms.mood = 'huge'
    await t.rejects(kek.wrap(KEY, CONTEXT), { code: 'kek_unreachable', detail: 'the answer is too large' })
    kms.mood = 'garbage'
    await t.rejects(kek.unwrap(wrapped, CONTEXT), { code: 'kek_unusable' })
    await t.rejects(kek.wrap(KEY, CONTEXT), { code: 'kek_unusable' })
    kms.mood = 'silent'
    const hasty = open({ attemptMs: SILENT_MS })
    await t.rejects(hasty.wrap(KEY, CONTEXT), { code: 'kek_unreachable' })
    hasty.close()
    kms.mood = 'ok'
    const stranger = open({ authority: null })
    await t.rejects(stranger.wrap(KEY, CONTEXT), { code: 'kek_unreachable' }, 'whose certificate nobody knows')
    stranger.close()
  })
}

t.test('what AWS refuses is told apart', async (t) => {
  const one = async (change: object, expected: { readonly code: string; readonly detail?: string }): Promise<void> => {
    const kek = aws(change)
    await t.rejects(kek.wrap(KEY, CONTEXT), expected)
    kek.close()
  }
  await one({ key: 'alias/other' }, { code: 'kek_missing', detail: 'NotFoundException' })
  await one({ key: 'alias/forbidden' }, { code: 'kek_refused', detail: 'AccessDeniedException' })
  const wrong = join(folder, 'wrong')
  writeFileSync(wrong, 'aws_access_key_id=A\naws_secret_access_key=B\n')
  await one({ credentialsFile: wrong }, { code: 'kek_refused', detail: 'InvalidSignatureException' })
  await one({ credentialsFile: join(folder, 'none') }, { code: 'kek_refused' })
  writeFileSync(wrong, '[default]\n')
  await one({ credentialsFile: wrong }, { code: 'kek_refused' })
  writeFileSync(wrong, 'aws_access_key_id=A\naws_secret_access_key=B\naws_session_token=C\n[x]\naws_access_key_id=D\n')
  t.same(readCredentials(wrong), { accessKeyId: 'A', secretAccessKey: 'B', sessionToken: 'C' })
})

t.test('what Transit refuses is told apart, and rewrap leaves the key inside', async (t) => {
  const one = async (change: object, expected: { readonly code: string; readonly detail?: string }): Promise<void> => {
    const kek = transit(change)
    await t.rejects(kek.wrap(KEY, CONTEXT), expected)
    kek.close()
  }
  await one({ key: 'other' }, { code: 'kek_missing' })
  await one({ mount: 'elsewhere' }, { code: 'kek_missing', detail: 'status 404' })
  await one({ tokenFile: credentialsFile }, { code: 'kek_refused' })
  await one({ tokenFile: join(folder, 'none') }, { code: 'kek_refused' })
  const kek = transit()
  const wrapped = await kek.wrap(KEY, CONTEXT)
  t.match(Buffer.from(wrapped).toString(), /^vault:v1:/)
  kms.versions.push(randomBytes(32))
  const renewed = await kek.renew(wrapped)
  t.match(Buffer.from(renewed).toString(), /^vault:v2:/)
  t.same(await kek.unwrap(renewed, CONTEXT), KEY)
  t.same(await kek.unwrap(wrapped, CONTEXT), KEY, 'the older one still opens')
  t.equal(kms.asked.filter((path) => path === '/v1/transit/rewrap/vault').length, 1)
  kek.close()
  t.throws(() => new KmsClient({ url: 'http://127.0.0.1', authority: null }), TypeError)
})

t.test('a key goes into JSON and out of it as bytes', (t) => {
  for (let length = 1; length < 40; length += 1) {
    const bytes = randomBytes(length)
    const json = jsonWithSecret({ a: 'x', b: { c: 1 } }, { name: 'key', bytes })
    t.same(JSON.parse(json.toString()), { a: 'x', b: { c: 1 }, key: bytes.toString('base64') })
    t.same(secretField(json, 'key'), bytes)
  }
  t.same(secretField(Buffer.from('{ "key" :\n "AQID" }'), 'key'), Buffer.from([1, 2, 3]))
  for (const bad of [
    '{}',
    '{"key":1}',
    '{"key":"A"}',
    '{"key":"AQI*"}',
    '{"key":"AQ=D"}',
    '{"key" "AQID"}',
    '{"key":"AQID',
    '{"key":""}',
  ]) {
    t.equal(secretField(Buffer.from(bad), 'key'), null, bad)
  }
  t.end()
})
