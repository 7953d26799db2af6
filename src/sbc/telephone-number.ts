import type { NumberRule } from '../wire/configuration.ts'

/** Digits with a plus before them, and the keys * and # (RFC 3966 section 3). */
const NUMBER = /^\+?[0-9*#]{1,63}$/

/**
 * A number by the first rule whose prefix fits: so many characters off its beginning, then others before it. A rule
 * without a prefix fits numbers alone, so that `anonymous` and `agent-7` stay what they are.
 */
export function byRules(number: string, rules: readonly NumberRule[]): string {
  const rule = rules.find(({ prefix }) => (prefix === '' ? NUMBER.test(number) : number.startsWith(prefix)))
  return rule === undefined ? number : rule.prepend + number.slice(rule.strip)
}
