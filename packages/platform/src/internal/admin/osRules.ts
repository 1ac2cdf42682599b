/** `os-rules`: the least version of a system that is still served, and those that are not whatever else holds. */
import { list, object, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import { formatVersion, parseVersion } from '@postern/policy/version'
import { type ConfigStore, configKey, type OsRule } from '../config.js'
import type { Room } from './call.js'
import type { ConfigRecords } from './configRecords.js'
import { invalid } from './query.js'

const version = text({ min: 1, max: 32 })
const body = object({
  min: (value: JsonValue, path?: string) => (value === null ? null : version(value, path)),
  blocked: list(version, { max: 256 }),
})
const PATH = /^\/v1\/os-rules\/([a-z0-9][a-z0-9._-]{0,63})$/

export function osRuleRooms(records: ConfigRecords, config: ConfigStore): readonly Room[] {
  return [
    {
      method: 'GET',
      path: /^\/v1\/os-rules$/,
      scope: 'config:read',
      async answer() {
        const { os } = await config.current()
        return { body: { os_rules: [...os].map(([platform, rule]) => ({ platform, ...rule })) } }
      },
    },
    {
      method: 'GET',
      path: PATH,
      scope: 'config:read',
      answer: ({ params: [platform] }) => records.get<OsRule>(configKey.os(platform!), (rule) => rule),
    },
    {
      method: 'PUT',
      path: PATH,
      scope: 'config:write',
      answer: (call) =>
        records.put<OsRule>(call, configKey.os(call.params[0]!), {
          resource: `os-rules/${call.params[0]}`,
          show: (rule) => rule,
          read(json) {
            const { min, blocked } = body(json)
            return { min: min === null ? null : known(min), blocked: blocked.map(known) }
          },
        }),
    },
  ]
}

/** The canonical text of a version. One that cannot be read would silently block nothing. */
function known(text: string): string {
  const parsed = parseVersion(text)
  if (parsed === null) throw invalid('A version has up to four numeric parts, such as 17.2.')
  return formatVersion(parsed)
}
