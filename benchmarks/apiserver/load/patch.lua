-- Changes the status of one machine after the other, at random, by a merge patch that changes something each time.
local common = require("common")

local sent = 0

function init(arguments)
    common.begin(arguments)
    wrk.headers["Content-Type"] = "application/merge-patch+json"
end

function request()
    sent = sent + 1
    local value = common.run * 1e9 + thread_id * 1e8 + sent
    local body = string.format('{"status":{"desiredGeneration":%.0f}}', value)
    return wrk.format("PATCH", wrk.path .. "/" .. common.stored() .. "/status", nil, body)
end
