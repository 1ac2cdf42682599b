/** `apps`, their versions: which may register, log in or neither, and what each must be signed with. */
import { PosternError } from '@postern/core/errors'
import { boolean, list, object, oneOf, optional, text } from '@postern/core/fields'
import type { AppRecord, ConfigStore, VersionRecord } from '../config.js'
import { configKey } from '../config.js'
import type { Room } from './call.js'
import type { ConfigRecords } from './configRecords.js'
import { invalid } from './query.js'

const APP = '[a-z0-9][a-z0-9._-]{0,63}'
const VERSION = '[0-9a-z][0-9a-z.-]{0,63}'

const appBody = object({
  id: optional(text({ max: 64 })),
  name: text({ min: 1, max: 128, pattern: /^[^\u0000-\u001f\u007f]+$/ }),
  registration: oneOf('open', 'closed'),
})
const versionBody = object({
  status: oneOf('enabled', 'login-only', 'disabled'),
  // One that is neither would be compared with nothing, and nothing would be checked.
  signatures: list(
    text({ max: 192, pattern: /^(?:(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}|[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,155})$/ }),
    { max: 16 },
  ),
  sealed: optional(boolean),
})

export function appRooms(records: ConfigRecords, config: ConfigStore): readonly Room[] {
  return [
    {
      method: 'GET',
      path: /^\/v1\/apps$/,
      scope: 'config:read',
      async answer() {
        const { apps } = await config.current()
        return { body: { apps: [...apps.values()] } }
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/apps/(${APP})$`),
      scope: 'config:read',
      answer: ({ params: [id] }) => records.get<AppRecord>(configKey.app(id!), (app) => app),
    },
    {
      method: 'PUT',
      path: new RegExp(`^/v1/apps/(${APP})$`),
      scope: 'config:write',
      answer: (call) => {
        const id = call.params[0]!
        return records.put<AppRecord>(call, configKey.app(id), {
          resource: `apps/${id}`,
          show: (app) => app,
          read(body) {
            const { id: said = id, name, registration } = appBody(body)
            if (said !== id) throw invalid('The id in the body is not the one in the address.')
            return { id, name, registration }
          },
        })
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/apps/(${APP})/versions$`),
      scope: 'config:read',
      async answer({ params: [app] }) {
        const { apps, versions } = await config.current()
        if (!apps.has(app!)) throw new PosternError('admin.not_found')
        const own = [...versions].filter(([key]) => key.startsWith(`${app}/`))
        return {
          body: {
            versions: own.map(([key, value]) => {
              const [, platform, version] = key.split('/')
              return { platform, version, ...value }
            }),
          },
        }
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^/v1/apps/(${APP})/versions/(${APP})/(${VERSION})$`),
      scope: 'config:read',
      answer: ({ params: [app, platform, version] }) =>
        records.get<VersionRecord>(configKey.version(app!, platform!, version!), (value) => value),
    },
    {
      method: 'PUT',
      path: new RegExp(`^/v1/apps/(${APP})/versions/(${APP})/(${VERSION})$`),
      scope: 'config:write',
      async answer(call) {
        const [app, platform, version] = call.params as [string, string, string]
        await records.get(configKey.app(app), (value: object) => value)
        return records.put<VersionRecord>(call, configKey.version(app, platform, version), {
          resource: `apps/${app}/versions/${platform}/${version}`,
          show: (value) => value,
          read(body, standing) {
            const { status, signatures, sealed = standing?.sealed ?? false } = versionBody(body)
            return { status, signatures: signatures.map(canonicalSignature), sealed }
          },
        })
      },
    },
  ]
}

/** A digest as the verifier compares it; `team.bundle` as it is. */
function canonicalSignature(written: string): string {
  const digest = written.replaceAll(':', '').toLowerCase()
  return /^[0-9a-f]{64}$/.test(digest) ? digest : written
}
