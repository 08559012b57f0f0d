"""Approval of what node agents ask to be signed, where a valid token, or the agent itself, vouches for it."""
