import type { ProblemCode } from './problem.ts'

/** What a request comes to. A secret body holds card numbers: it belongs to whoever sends it, and is overwritten then. */
export type Answer =
  | { readonly kind: 'json'; readonly status: 200 | 202; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'empty' }
  | { readonly kind: 'secret'; readonly body: Buffer }
  | Problem

export type Problem = { readonly kind: 'problem'; readonly code: ProblemCode; readonly retryAfterS?: number }

export function problem(code: ProblemCode, retryAfterS?: number): Problem {
  return retryAfterS === undefined ? { kind: 'problem', code } : { kind: 'problem', code, retryAfterS }
}
