"""Node lifecycle: a node whose lease runs out is marked as not responding, and so are the instances on it."""
