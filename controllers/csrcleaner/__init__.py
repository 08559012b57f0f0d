"""Cleaner of requests for certificates that nobody needs any more."""
