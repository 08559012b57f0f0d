"""Enrolment: how the agent of a host becomes known to a server elsewhere, and remains so."""
