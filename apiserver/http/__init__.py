"""The wire: paths, media types, bodies and answers of the Kubernetes API. No domain logic."""
