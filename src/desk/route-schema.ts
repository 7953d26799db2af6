import { API_SHAPES } from './api-shape.ts'
import { PROBLEMS, type ProblemCode } from './problem.ts'

/** The error answers of a route for OpenAPI, by status; codes of one status share one entry. */
export function problemAnswers(...codes: readonly ProblemCode[]): Readonly<Record<string, object>> {
  const statuses = new Set(codes.map((code) => PROBLEMS[code].status))
  return Object.fromEntries(
    [...statuses].map((status) => {
      const all = Object.entries(PROBLEMS).filter(([, problem]) => problem.status === status)
      const description = all.map(([code, problem]) => `${code}: ${problem.title}.`).join(' ')
      return [String(status), { description, content: { 'application/problem+json': { schema: API_SHAPES.problem } } }]
    }),
  )
}
