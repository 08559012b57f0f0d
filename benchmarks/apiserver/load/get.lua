-- Reads one machine after the other, at random.
local common = require("common")

function init(arguments)
    common.begin(arguments)
end

function request()
    return wrk.format("GET", wrk.path .. "/" .. common.stored())
end
