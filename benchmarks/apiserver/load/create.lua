-- Creates machines that differ in their names alone; the template is in the file that MACHINE_TEMPLATE names.
local common = require("common")

local made, before, after = 0, "", ""

function init(arguments)
    common.begin(arguments)
    local file = assert(io.open(os.getenv("MACHINE_TEMPLATE")))
    before, after = file:read("*a"):match("^(.-)@NAME@(.*)$")
    file:close()
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    made = made + 1
    local name = string.format("new-%s-%d-%d", common.run, thread_id, made)
    return wrk.format("POST", nil, nil, before .. name .. after)
end
