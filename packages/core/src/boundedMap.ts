/** Maps that keep the newest of what was put into them: what a node remembers must not grow with what it is asked. */

/** Puts a value under a name; of more than `max` names the one that was put first goes. A name that is there already keeps its place. */
export function setBounded<K, V>(map: Map<K, V>, name: K, value: V, max: number): void {
  map.set(name, value)
  if (map.size > max) map.delete(map.keys().next().value!)
}
