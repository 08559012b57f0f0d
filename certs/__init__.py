"""Trust: authorities, the certificates they issue, and the TLS contexts made of them. Makes no requests."""
