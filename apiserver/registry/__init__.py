"""The verbs of the Kubernetes API on one resource: machinery and storage joined, without HTTP."""
