-- Reads what the URL says, again and again.
local common = require("common")

function init(arguments)
    common.begin(arguments)
end
