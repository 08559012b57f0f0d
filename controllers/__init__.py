"""Level-triggered reconcilers, each a plain API client: gather what is, decide without side effects, act once."""
