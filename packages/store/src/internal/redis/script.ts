/**
 * What runs inside Redis. Every key that a script touches is declared, all of one slot; no script asks for a clock or a random number.
 * A record is the string `"<expiresAt> <n> <rev> "` and the value; the index of a partition is a sorted set of keys, all of score 0.
 *
 * Lua's numbers are doubles, exact for all that the contract allows, up to 2^53 - 1; they are written with `%.0f`, since `tostring`
 * keeps 14 digits.
 */

export interface Script {
  /** SHA-1 of the text in hex, by which a server knows it; a test asks a server. */
  readonly sha: string
  readonly text: string
}

/**
 * Commits, one after the other, each all or nothing: its ops are judged over what those before it left, then all are written, so that
 * a refused one has written nothing. One for many: to start a script costs the server as much as a commit does.
 *
 * KEYS: the record of each op of each commit, then the indexes. ARGV: the commits as `pack.ts` packs them; how many KEYS are records.
 *
 * Answers each commit with 0, or 0 and the record after each `check` and `add`; a refused one with the number of its op, from 1, and
 * what is there; with -2 one that met what is no record. An index lives as long as the longest of its records, so that partitions of
 * markers leave nothing behind; -1 instead of 0 says that it was written to and is there for ever.
 */
export const commitScript: Script = {
  sha: '2eeac53add1e2f41299c9a5da587b4d3c25e844f',
  text: `local call, cut, match, text, sub = redis.call, struct.unpack, string.match, string.format, string.sub
local packed, records, pos, first = ARGV[1], tonumber(ARGV[2]), 1, 1
local before, state, answers = call('MGET', unpack(KEYS, 1, records)), {}, {}
-- By record: what to write, false to delete; how long it lives, '' for ever, nil as it does.
local written, life = {}, {}
local indexes = {}
for i = 1, records do state[KEYS[i]] = before[i] end
while first <= records do
  local now, place, count, at, there, told
  now, place, count, pos = cut('>dHB', packed, pos)
  local last = first + count - 1
  for i = first, last do
    local v, x, n, rev, body, kind, cond, holds = state[KEYS[i]]
    if v then
      x, n, rev, body = match(v, '^(-?%d+) (%d+) ([%w_-]+) ()')
      if not x or math.abs(x) >= 1e16 or #n > 16 or #rev ~= 16 then
        at, v = at or -2, false
      elseif tonumber(x) <= now then
        v, n, rev = false, nil, nil
      end
    end
    kind, cond, pos = cut('c1c1', packed, pos)
    if cond == '=' then
      local asked
      asked, pos = cut('c16', packed, pos)
      holds = rev == asked
    else
      holds = cond == '*' or not v
    end
    if kind == 'p' then
      life[i], written[i], pos = cut('>Bc0I4c0', packed, pos)
    elseif kind == 'a' then
      local by, max, px, expiresAt, new
      by, max, px, expiresAt, new, pos = cut('>ddBc0dc16', packed, pos)
      n = tonumber(n or 0)
      if by > 0 then holds = n <= max - by else holds = n >= -by end
      if v then
        written[i] = x .. text(' %.0f ', n + by) .. new .. ' ' .. sub(v, body)
      else
        life[i], written[i] = px, text('%.0f %.0f ', expiresAt, by) .. new .. ' '
      end
      told = told or { 0 }
      told[#told + 1] = written[i]
    elseif kind == 'd' then
      written[i] = false
    else
      told = told or { 0 }
      told[#told + 1] = v
    end
    if not (holds or at) then at, there = i - first + 1, v end
  end
  if at then
    answers[#answers + 1] = at < 0 and at or { at, there }
  else
    local index, done = indexes[place], 0
    if place > 0 and not index then
      index = { key = KEYS[records + place], changed = {}, life = 0 }
      index.ttl = call('PTTL', index.key)
      indexes[place] = index
    end
    for i = first, last do
      local key, record, px = KEYS[i], written[i], life[i]
      if record then
        if not px then
          call('SET', key, record, 'KEEPTTL')
        elseif px == '' then
          call('SET', key, record)
        else
          call('SET', key, record, 'PX', px)
        end
      elseif record == false and state[key] then
        call('DEL', key)
      end
      if record ~= nil then
        state[key] = record
        if index then
          index.changed[#index.changed + 1] = i
          if px then
            index.life = math.max(index.life, tonumber(px) or math.huge)
            if index.ttl == -1 then done = -1 end
          end
        end
      end
    end
    if told then told[1] = done end
    answers[#answers + 1] = told or done
  end
  first = last + 1
end
for _, index in pairs(indexes) do
  local new, gone = { 'ZADD', index.key }, { 'ZREM', index.key }
  for _, i in ipairs(index.changed) do
    local name = sub(KEYS[i], #index.key)
    if not state[KEYS[i]] then
      if before[i] then gone[#gone + 1] = name end
    elseif index.ttl == -2 or not before[i] then
      new[#new + 1] = 0
      new[#new + 1] = name
    end
  end
  if #new > 2 then call(unpack(new)) end
  if #gone > 2 then call(unpack(gone)) end
  if index.life == math.huge then
    if index.ttl >= 0 then call('PERSIST', index.key) end
  elseif index.ttl ~= -1 and index.ttl < index.life then
    call('PEXPIRE', index.key, text('%.0f', 2 * index.life))
  end
end
return answers`,
}

/**
 * One page, as one snapshot. KEYS: the index, then the records that the caller has heard of. ARGV: `now`, from, to (for BYLEX), how
 * many records make a page, how many names to look at.
 *
 * Answers 1, the page as name, record, name, record …, and the names whose record is gone; or, when it met a name whose record was
 * not declared or looked at all it might before the page was full, 0, the names and those that are gone.
 */
export const pageScript: Script = {
  sha: '39563ba872e2002c798ffb21f038b0b11916ce66',
  text: `local now, size, most = tonumber(ARGV[1]), 2 * tonumber(ARGV[4]), tonumber(ARGV[5])
local place, declared, page, gone = string.sub(KEYS[1], 1, -2), {}, {}, {}
for i = 2, #KEYS do declared[KEYS[i]] = true end
local names = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3], 'BYLEX', 'LIMIT', 0, most)
for _, name in ipairs(names) do
  local key = place .. name
  if not declared[key] then return { 0, names, gone } end
  local v = redis.call('GET', key)
  local x = v and string.match(v, '^-?%d+')
  if not v then
    gone[#gone + 1] = name
  elseif not x then
    return { err = 'CORRUPT' }
  elseif tonumber(x) > now then
    page[#page + 1] = name
    page[#page + 1] = v
    if #page == size then return { 1, page, gone } end
  end
end
if #names == most then return { 0, names, gone } end
return { 1, page, gone }`,
}

/** Drops names from the index whose record is gone. KEYS: the index, then the records. Answers how many went. */
export const tidyScript: Script = {
  sha: '3bc0e6df698970962dd794559088097f626a91ee',
  text: `local dropped = 0
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    dropped = dropped + redis.call('ZREM', KEYS[1], string.sub(KEYS[i], #KEYS[1]))
  end
end
return dropped`,
}
