"""Scheduler: binds every VirtualMachineInstance to a node that is ready and has room for it."""
