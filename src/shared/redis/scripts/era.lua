-- Tells the era of the namespace: the fence of the last purge of everything; with `purge`, a new one begins.
-- KEYS: era. ARGV: the era that the caller knows, purge (1) or not (0), ms to keep, channel. Answers the era.
local K, known = KEYS[1], tonumber(ARGV[1])
local cur = redis.call('GET', K) or ''
-- What is not ours is no era: it is written over.
local stored = #cur < 17 and tonumber(string.match(cur, '^%d+$')) or 0
local era = math.max(stored, known)
if ARGV[2] == '1' then
  local T = redis.call('TIME')
  era = math.max(T[1] * 1000000 + T[2], era + 1)
end
local text = string.format('%.0f', era)
if era > stored then
  -- Told by somebody who knew it before an eviction, a flush or a failover took it away, or new.
  -- The first write is one that a full store permits; what follows is then permitted too.
  redis.call('DEL', K)
  redis.call('SET', K, text, 'PX', ARGV[3])
  redis.call('PUBLISH', ARGV[4], 'g:' .. text)
end
return text
