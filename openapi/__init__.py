"""The contract: a YAML file a group-version, and its parts; all that depends on objects' shape is derived from it."""

from pathlib import Path

DIRECTORY = Path(__file__).parent
"""Where the schema files are."""
