-- Shared by all loads: what the command line hands over, and one line of JSON at the end.
-- TOKEN=… wrk -s LOAD.lua URL -- MACHINES RUN DELAY_MILLISECONDS

local common = {}

local threads = 0

function setup(thread)
    thread:set("thread_id", threads)
    threads = threads + 1
end

-- Reads the arguments in each thread, and has it send the token.
function common.begin(arguments)
    wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
    common.machines = tonumber(arguments[1])
    common.run = arguments[2]
    common.delay = tonumber(arguments[3])
    math.randomseed(thread_id + 1)
end

-- Any of the machines that are stored.
function common.stored()
    return string.format("vm-%05d", math.random(0, common.machines - 1))
end

function delay()
    return common.delay
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p99_ms":%.3f,"bytes":%d}\n',
        summary.requests, summary.duration / 1e6,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.bytes
    ))
end

return common
