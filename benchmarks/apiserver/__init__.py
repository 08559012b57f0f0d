"""How fast an API server is that serves VirtualMachines: ours, or any other that speaks Kubernetes' API."""
