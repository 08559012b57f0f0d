"""Garbage collector: deletes objects whose owners are all gone, in the background."""
