"""How the whole system grows: server, controllers and many agents, with all the machines that they take."""
