"""API objects as JSON gives them."""

from typing import Any

Object = dict[str, Any]
"""An API object, or a part of one."""
