/** Time as facts, in a policy's zone. The clock is the caller's. */

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'
export interface TimeFacts {
  readonly 'time.at': number
  readonly 'time.minuteOfDay': number
  readonly 'time.weekday': Weekday
}

/**
 * The `time.*` facts of instants (milliseconds since the epoch) in one zone. Prepare it once per policy: making the formatter is the cost.
 * @param zone - IANA name, normally `compiled.document.zone`
 * @throws RangeError for a zone that this runtime does not know
 */
export function clockIn(zone: string): (at: number) => TimeFacts {
  if (zone === 'UTC') return utc
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
  })
  return (at) => {
    const parts = format.formatToParts(at)
    const part = (type: string): string => parts.find((p) => p.type === type)!.value
    return {
      'time.at': at,
      'time.minuteOfDay': Number(part('hour')) * 60 + Number(part('minute')),
      'time.weekday': part('weekday').toLowerCase() as Weekday,
    }
  }
}

const days: readonly Weekday[] = ['thu', 'fri', 'sat', 'sun', 'mon', 'tue', 'wed']

function utc(at: number): TimeFacts {
  const minutes = Math.floor(at / 60_000)
  const day = Math.floor(minutes / 1440)
  return { 'time.at': at, 'time.minuteOfDay': minutes - day * 1440, 'time.weekday': days[((day % 7) + 7) % 7]! }
}
