-- wrk's part: sends the requests of a file, one after the other, from its beginning again when it ends.
-- A record of the file is the request's length in eight digits and its bytes (bench/signing.py writes them).

wraps = 0 -- global, because done() asks the thread for it

local file
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  file = assert(io.open(arguments[1], "rb"))
end

function request()
  local length = file:read(8)
  if length == nil then
    wraps = wraps + 1
    file:seek("set", 0)
    length = file:read(8)
  end
  return file:read(tonumber(length))
end

function done(summary, latency, requests)
  local errors = summary.errors
  local wrapped = 0
  for _, thread in ipairs(threads) do
    wrapped = wrapped + thread:get("wraps")
  end
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %f, "bytes": %d, "refused": %d, "broken": %d, "wraps": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, wrapped,
    latency:percentile(50), latency:percentile(99)))
end
