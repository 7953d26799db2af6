import { readFileSync } from 'node:fs'
import type { SipCredentials, TrunkConfiguration } from '../wire/configuration.ts'
import { DigestGate } from './digest-gate.ts'

export type Credentials = { readonly user: string; readonly password: string }

/** A nonce is good for 5 minutes; what a registered telephone would want longer is no matter between trunks. */
export type TrunkSecrets = {
  /** What our requests to the trunk answer a challenge with; null: nothing. */
  readonly credentials: (trunk: { readonly name: string }) => Credentials | null
  /** Checks requests from the trunk; null: its address is enough. */
  readonly gate: (trunk: { readonly name: string }) => DigestGate | null
}

/** Reads the passwords of all trunks. Throws the system's error when a file cannot be read. */
export function readTrunkSecrets(trunks: readonly TrunkConfiguration[]): TrunkSecrets {
  const credentials = new Map<string, Credentials>()
  const gates = new Map<string, DigestGate>()
  for (const trunk of trunks) {
    if (trunk.credentials !== null) credentials.set(trunk.name, read(trunk.credentials))
    if (trunk.authentication === null) continue
    const users = new Map(trunk.authentication.users.map((user) => [user.user, read(user).password]))
    gates.set(trunk.name, new DigestGate({ realm: trunk.authentication.realm, passwordOf: (user) => users.get(user) }))
  }
  return {
    credentials: ({ name }) => credentials.get(name) ?? null,
    gate: ({ name }) => gates.get(name) ?? null,
  }
}

function read(credentials: SipCredentials): Credentials {
  const [password = ''] = readFileSync(credentials.passwordFile, 'utf8').split(/\r?\n/)
  return { user: credentials.user, password }
}
