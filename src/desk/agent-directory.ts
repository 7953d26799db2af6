import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AgentConfiguration } from '../wire/configuration.ts'

/** 128 bits in base64: a token is made by a machine, and must not be guessed. */
const TOKEN_CHARS_MIN = 22
/** RFC 6750 section 2.1: what a bearer token is made of. */
const TOKEN_FORM = /^[A-Za-z0-9\-._~+/]{1,256}=*$/
const SESSION_KEY_BYTES = 32

/** Who asks. Role 'agent' sees calls of its own name only. */
export type Agent = { readonly name: string; readonly role: 'agent' | 'all' }

type Entry = { readonly agent: Agent; readonly digest: Buffer; readonly sessionKey: Buffer }

/** Why the desk cannot start with these agents. */
export type DirectoryFailure = {
  readonly kind: 'failed'
  readonly code: 'token_unreadable' | 'token_too_weak' | 'token_shared' | 'agent_twice'
  readonly agent: string
}

/**
 * The agents and what proves them. Of a token only its SHA-256 is kept: comparing digests takes the same time whatever
 * is right about a guess, and every entry is compared whoever asks.
 */
export class AgentDirectory {
  readonly #entries: readonly Entry[]

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries
  }

  /** Reads the first line of each token file. */
  static read(agents: readonly AgentConfiguration[]): AgentDirectory | DirectoryFailure {
    const entries: Entry[] = []
    for (const { name, role, tokenFile } of agents) {
      const failed = (code: DirectoryFailure['code']): DirectoryFailure => ({ kind: 'failed', code, agent: name })
      const token = firstLine(tokenFile)
      if (token === null) return failed('token_unreadable')
      if (token.length < TOKEN_CHARS_MIN || !TOKEN_FORM.test(token)) return failed('token_too_weak')
      const digest = sha256(token)
      if (entries.some((entry) => entry.digest.equals(digest))) return failed('token_shared')
      if (entries.some((entry) => entry.agent.name === name)) return failed('agent_twice')
      entries.push({ agent: { name, role }, digest, sessionKey: sessionKeyOf(token) })
    }
    return new AgentDirectory(entries)
  }

  /** The agent whose token this is, or null. */
  byToken(token: string): Agent | null {
    const digest = sha256(token)
    let found: Agent | null = null
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, digest)) found = entry.agent
    }
    return found
  }

  /** The agent and the key that its sessions are signed with; a new token is a new key, and ends its sessions. */
  byName(name: string): { readonly agent: Agent; readonly sessionKey: Buffer } | null {
    return this.#entries.find((entry) => entry.agent.name === name) ?? null
  }
}

function firstLine(file: string): string | null {
  try {
    return (readFileSync(file, 'utf8').split('\n', 1)[0] ?? '').trim()
  } catch {
    return null
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function sessionKeyOf(token: string): Buffer {
  return Buffer.from(hkdfSync('sha256', token, '', 'tonewall desk session', SESSION_KEY_BYTES))
}
