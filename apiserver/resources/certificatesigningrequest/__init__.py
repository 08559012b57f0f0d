"""CertificateSigningRequest: a certificate that somebody asks for, somebody else approves, and a signer issues."""
