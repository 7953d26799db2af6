import { Validator } from '@seriousme/openapi-schema-validator'

/** What a validator of other people finds wrong in an OpenAPI document: where, and what. It reads the document as a client would get it. */
export async function openApiFaults(document: object): Promise<readonly string[]> {
  const asSent = JSON.parse(JSON.stringify(document)) as Record<string, unknown>
  const { valid, errors } = await new Validator().validate(asSent)
  if (valid) return []
  if (!Array.isArray(errors)) return [errors ?? 'it did not say what']
  return errors.map(({ instancePath, message, params }) =>
    [instancePath, message, JSON.stringify(params)].filter((part) => part !== undefined).join(' '),
  )
}
