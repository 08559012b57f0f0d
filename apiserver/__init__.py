"""The aggregated API server: the wire, authentication, machinery, resources and storage."""
