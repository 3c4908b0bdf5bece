-- Takes a lock if nobody has it. KEYS: book, lease.
-- ARGV: token, lease ms, grace ms, name, owner, flags (w: waits, a: announce), channel, id,
-- shard channel or nothing.
-- Answers {tag (G: granted, H: held, O: out of memory), fence, ms left}, as text.
-- Idempotent for one token: whoever asks again with it is told of the lease it has.
local B, L, token, flags = KEYS[1], KEYS[2], ARGV[1], ARGV[6]
local T = redis.call('TIME')
local us = T[1] * 1000000 + T[2]
local h = redis.call('HMGET', B, 'f', 'n')
local cur = redis.call('GET', L)
local function left() return string.format('%.0f', redis.call('PTTL', L)) end
local function keep()
  -- The book outlives the lease: it has the fence that the next one has to beat.
  local life = math.max(tonumber(ARGV[3]), tonumber(ARGV[2]))
  if redis.call('PTTL', B) < life then redis.call('PEXPIRE', B, string.format('%.0f', life)) end
end
if cur then
  if string.sub(cur, 1, #token + 1) == token .. ':' then
    return { 'G', string.sub(cur, #token + 2), left() }
  end
  if string.find(flags, 'w', 1, true) and not h[2] then
    redis.pcall('HSET', B, 'n', 1)
    keep()
  end
  return { 'H', string.match(cur, '%d+$') or '', left() }
end
-- `..` would write 1.79e+15.
local fence = string.format('%.0f', math.max(us, (tonumber(h[1]) or 0) + 1))
local set = redis.pcall('HSET', B, 'f', fence, 'name', ARGV[4], 'owner', ARGV[5])
if type(set) == 'table' and set.err then
  -- Not at the beginning: before Redis 7 the place in this script comes first.
  if string.find(set.err, 'OOM', 1, true) then return { 'O', '', '0' } end
  return set -- READONLY and the like have to surface.
end
redis.call('HDEL', B, 'n')
redis.call('SET', L, token .. ':' .. fence, 'PX', ARGV[2], 'NX')
keep()
if h[2] and string.find(flags, 'a', 1, true) then
  local event, said = 'r:' .. ARGV[8] .. ':' .. fence, nil
  if ARGV[9] and ARGV[9] ~= '' then said = redis.pcall('SPUBLISH', ARGV[9], event) end
  if type(said) ~= 'number' then redis.call('PUBLISH', ARGV[7], event) end
end
return { 'G', fence, ARGV[2] }
