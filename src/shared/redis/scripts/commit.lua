-- Stores the result of a refresh, on evidence only, ends the lease and tells those who wait.
-- KEYS: entry, lease. ARGV: token, fence, fresh ms, keep ms, channel, id, mode (body|keep), meta, body,
-- ms since the lease was asked for, shard channel or nothing.
-- Answers {outcome, body version}. Idempotent: what is stored already is stored.
local E, L, token, fence = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local T = redis.call('TIME')
local ms = T[1] * 1000 + math.floor(T[2] / 1000)
local h = redis.call('HMGET', E, 'f', 'v', 'd', 'n', 'p', 'g')
local mine = redis.call('GET', L) == token .. ':' .. fence
if h[2] == fence and (tonumber(h[5]) or 0) <= tonumber(fence) then return { 'stored', h[3] or '' } end
-- A larger fence was issued: a later refresh, or a purge.
if h[1] and h[1] ~= fence then return { 'superseded', '' } end
-- The entry is gone (a flush, an eviction, a failover). Only the lease can still prove the right.
if not h[1] and not mine then return { 'lost', '' } end
-- The fence says when the lease was granted, or it was noted: what was held up on its way is no fresher
-- for that.
local granted = tonumber(h[6]) or math.floor(tonumber(fence) / 1000)
local made = math.min(ms, granted + tonumber(ARGV[10]))
local t = string.format('%.0f', made + tonumber(ARGV[3]))
local d, set = fence, nil
if ARGV[7] == 'keep' then
  d = h[3]
  if not d then return { 'bodiless', '' } end
  set = redis.pcall('HSET', E, 'f', fence, 'v', fence, 't', t, 'm', ARGV[8])
else
  set = redis.pcall('HSET', E, 'f', fence, 'v', fence, 'd', d, 't', t, 'm', ARGV[8], 'b', ARGV[9])
end
if type(set) == 'table' and set.err then
  -- Not at the beginning: before Redis 7 the place in this script comes first.
  if not string.find(set.err, 'OOM', 1, true) then return set end
  if mine then redis.call('DEL', L) end
  return { 'oom', '' }
end
redis.call('HDEL', E, 'x', 'k', 'n', 'g')
-- A purge's mark is not cut short by what comes after it.
local life = tonumber(ARGV[4])
if h[5] then life = math.max(life, redis.call('PTTL', E)) end
redis.call('PEXPIRE', E, life)
if mine then redis.call('DEL', L) end
if h[4] then
  local event, said = 'c:' .. ARGV[6] .. ':' .. fence, nil
  if ARGV[11] and ARGV[11] ~= '' then said = redis.pcall('SPUBLISH', ARGV[11], event) end
  if type(said) ~= 'number' then redis.call('PUBLISH', ARGV[5], event) end
end
return { 'stored', d }
