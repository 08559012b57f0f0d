"""VirtualMachineInstance: a guest on a node, from its start to its end."""
