/** key/v1 on the server: a key of the device's keystore, with or without biometrics in front of it. */
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator } from '../authenticator.js'

export interface DeviceKeyOptions {
  /** `biometric`: the platform asks for presence before it signs. */
  readonly type: 'device-key' | 'biometric'
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/** The device key or biometric authenticator. `begin` takes `null`; `finish` takes `{signature}`, at enrolment `{key, signature, deviceSignature}`. */
export function createDeviceKey(o: DeviceKeyOptions): Authenticator {
  void o
  throw new Error('not yet')
}
