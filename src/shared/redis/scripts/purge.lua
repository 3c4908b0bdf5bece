-- Takes an entry away, and from every refresh under way the right to commit.
-- KEYS: entry, lease. ARGV: kind (h: hard, s: soft), grace ms, channel, id, era, shard channel or
-- nothing. Answers the purge's fence.
local E, L, kind = KEYS[1], KEYS[2], ARGV[1]
local T = redis.call('TIME')
local us = T[1] * 1000000 + T[2]
local h = redis.call('HMGET', E, 'f', 'v', 't')
-- The lease is read before anything is written: a foreign key of another type has to fail here.
-- Its fence counts too: the entry may have been evicted from under it.
local held = tonumber(string.match(redis.call('GET', L) or '', '%d+$')) or 0
local fence = string.format('%.0f', math.max(us, (tonumber(h[1]) or 0) + 1, held + 1, tonumber(ARGV[5]) + 1))
-- The mark lives as long as what it purges would have: a node that missed the event has that still.
local life = math.max(redis.call('PTTL', E), tonumber(ARGV[2]))
-- The first write is one that a full store permits; what follows is then permitted too.
redis.call('DEL', L)
if kind == 'h' then
  redis.call('UNLINK', E)
else
  redis.call('HDEL', E, 'x', 'k', 'n')
  if h[2] then
    -- What is stale already does not become less so.
    local t = math.min(tonumber(h[3]) or 0, math.floor(us / 1000))
    redis.call('HSET', E, 't', string.format('%.0f', t))
  end
end
redis.call('HSET', E, 'f', fence, 'p', fence)
if redis.call('PTTL', E) < life then redis.call('PEXPIRE', E, life) end
local event, said = 'p:' .. ARGV[4] .. ':' .. fence .. ':' .. kind .. ':' .. ARGV[5], nil
if ARGV[6] and ARGV[6] ~= '' then said = redis.pcall('SPUBLISH', ARGV[6], event) end
if type(said) ~= 'number' then redis.call('PUBLISH', ARGV[3], event) end
return fence
