"""Sets of fields that were written when the schema was another.

What had parts that were owned apart may since have become one whole: whoever owned some of it then owns all of it. The
other way nothing is known of the parts, and whoever owned the whole goes on owning what has no part of its own.
Source: ``ReconcileFieldSetWithSchema`` of ``sigs.k8s.io/structured-merge-diff/typed``.
"""

from apiserver.machinery.fields import LEAF, Fields
from apiserver.machinery.structural import UNTYPED, Node

_FIELD = "f:"


def reconciled(node: Node, fields: Fields) -> Fields:
    """Return ``fields`` as ``node``, the present schema, lets them be owned: the same object where nothing changes."""
    changed: Fields = {}
    for element, below in fields.items():
        if not below:
            continue
        child = node.field(element.removeprefix(_FIELD)) if element.startswith(_FIELD) else node.items or UNTYPED
        new = LEAF if _is_whole(child) else reconciled(child, below)
        if new is not below:
            changed[element] = new
    return {**fields, **changed} if changed else fields


def _is_whole(node: Node) -> bool:
    return node.atomic or (node.items is not None and node.list_keys is None)
