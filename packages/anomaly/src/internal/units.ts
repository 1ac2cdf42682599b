/** The one unit of evidence: 2⁻¹⁰ nat, whole, rounded half away from zero per term and then added. */
export function toUnits(nats: number): number {
  const size = Math.floor(Math.abs(nats) * 1024 + 0.5)
  return nats < 0 ? -size : size
}
