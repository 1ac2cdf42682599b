/** Risk of one login: a likelihood ratio per fact, backed off from special to general, in integer units that sum exactly. */
import type { RiskConfig } from './config.js'
import type { LoginFacts } from './facts.js'
import type { Assessment } from './reasons.js'
import type { View } from './shared.js'

export type { DeclarableFact, RiskConfig } from './config.js'
export { factsWithoutResolver, factsWithResolver } from './config.js'
export type { LoginFacts } from './facts.js'
export type { Assessment, Band, Reason, ReasonCode, ReasonDetail } from './reasons.js'
export type { View } from './shared.js'

/** Pure: same arguments, same bytes, on every runtime. */
export interface RiskModel {
  /**
   * Judges one login. Never throws on bad facts.
   * @param profile - what the last successful login left; `null`: the host vouches that there is none yet (fresh enrolment)
   * @param shared - how common values are among all users; `null`: not known, every unseen value is then equally rare
   */
  score(facts: LoginFacts, profile: Uint8Array | null, shared: View | null): Assessment
  /** Names configuration and epoch. */
  readonly id: string
}

/** `riskModel(config)`: @throws PosternError `anomaly.config_invalid` */
export type CreateRiskModel = (config: RiskConfig) => RiskModel
