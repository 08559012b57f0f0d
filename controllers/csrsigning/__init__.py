"""Signing of what node agents asked for and somebody approved."""
