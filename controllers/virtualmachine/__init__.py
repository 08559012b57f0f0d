"""VirtualMachine: creates and deletes its VirtualMachineInstance as the run strategy says, and tells how it is."""
