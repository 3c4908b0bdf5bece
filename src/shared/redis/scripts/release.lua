-- Gives a lease back (compare and delete), marks the entry if told to, and tells those who wait.
-- KEYS: entry, lease. ARGV: token, block ms (0: no mark), mark, channel, id, grace ms, shard
-- channel or nothing.
-- Answers 1, or 0: not yours. By token alone: who lost the answer to its acquire has no fence.
local E, L, token = KEYS[1], KEYS[2], ARGV[1]
local cur = redis.call('GET', L)
if not cur or string.sub(cur, 1, #token + 1) ~= token .. ':' then return 0 end
-- Read before anything is written: a foreign key of another type has to fail here.
local n = redis.call('HGET', E, 'n')
redis.call('DEL', L)
local block, grace = tonumber(ARGV[2]), tonumber(ARGV[6])
if block > 0 then
  local T = redis.call('TIME')
  local x = T[1] * 1000 + math.floor(T[2] / 1000) + block
  redis.call('HSET', E, 'x', string.format('%.0f', x), 'k', ARGV[3])
  grace = math.max(grace, block)
  if redis.call('PTTL', E) < grace then redis.call('PEXPIRE', E, string.format('%.0f', grace)) end
end
if n then
  redis.call('HDEL', E, 'n')
  local event, said = 'r:' .. ARGV[5] .. ':' .. string.sub(cur, #token + 2), nil
  if ARGV[7] and ARGV[7] ~= '' then said = redis.pcall('SPUBLISH', ARGV[7], event) end
  if type(said) ~= 'number' then redis.call('PUBLISH', ARGV[4], event) end
end
return 1
