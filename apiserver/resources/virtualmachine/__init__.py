"""VirtualMachine: a virtual machine that lasts, whether it runs or not."""
