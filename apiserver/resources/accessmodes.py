"""How volumes may be mounted: the rules that claims and volumes share, and how ``kubectl`` abbreviates them."""

from collections.abc import Iterator, Sequence

from apiserver.machinery.errors import FieldError

SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
ALONE = "ReadWriteOncePod"


def abbreviated(modes: Sequence[str] | None) -> str:
    """Return the abbreviations of ``modes``, each once and in Kubernetes' order."""
    return ",".join(short for mode, short in SHORT.items() if mode in (modes or ()))


def access_mode_errors(modes: Sequence[str] | None) -> Iterator[FieldError]:
    """Yield an error without any mode, and for the one that is exclusive together with others."""
    path = "spec.accessModes"
    if not modes:
        yield FieldError.required(path, "at least 1 access mode is required")
    elif ALONE in modes and len(set(modes)) > 1:
        yield FieldError.forbidden(path, f"may not use {ALONE} with other access modes")
