import type { TrunkConfiguration } from '../wire/configuration.ts'
import { userOf } from './name-address.ts'
import { byRules } from './telephone-number.ts'

export type Called = { readonly number: string; readonly isEmergency: boolean }

/**
 * The number that a request URI of a trunk calls, by the trunk's rules; '' when it names nobody. It is an emergency when
 * the number is one of those with or without the rules, or the URI is the service itself (`urn:service:sos`, RFC 5031),
 * which is then called by the first emergency number.
 */
export function calledNumber(
  uri: string,
  trunk: Pick<TrunkConfiguration, 'numbers'>,
  emergencyNumbers: readonly string[],
): Called {
  const [first] = emergencyNumbers
  if (/^urn:service:sos(?:\.|$)/i.test(uri) && first !== undefined) return { number: first, isEmergency: true }
  const dialled = userOf(uri)
  const number = byRules(dialled, trunk.numbers.in)
  return { number, isEmergency: emergencyNumbers.includes(dialled) || emergencyNumbers.includes(number) }
}
