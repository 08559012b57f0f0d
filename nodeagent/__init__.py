"""The node agent: VirtualMachineInstances bound to this node become libvirt domains."""
