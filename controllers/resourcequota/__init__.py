"""Keeps what ResourceQuotas say is used: admission only ever adds to it."""
