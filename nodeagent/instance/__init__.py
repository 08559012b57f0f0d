"""One VirtualMachineInstance on this node: what to do next, what to tell, and the loop that does both."""
