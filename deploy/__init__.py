"""What Kubernetes is told to run Virtplane in a cluster: kustomize's files, see ``docs/kubernetes.md``."""

from pathlib import Path

DIRECTORY = Path(__file__).parent
"""Where the files are."""
OVERLAYS = ("sqlite", "postgresql")
"""By what they store in; each is a folder below ``overlays/``."""
