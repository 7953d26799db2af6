/**
 * One requirement of PCI DSS v4.0.1 and how it is met. Titles are our own words; the standard's text is with the PCI Security
 * Standards Council. The rows are claims of the product's authors for an assessor to check, not an assessment.
 */
export type Control = {
  readonly requirement: string
  readonly title: string
  /** What the product does towards it. Empty: nothing, it is the operator's alone. */
  readonly how: string
  /** Files of this repository that prove it: tests first, then source. */
  readonly proof: readonly string[]
  /** What stays with whoever runs it. Empty: nothing is known to. */
  readonly operator: string
}
