"""Query parameters, checked and turned into the registry's options."""

from collections.abc import Mapping, Sequence

from apiserver.auth.attributes import RequestInfo
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller, Resource
from apiserver.machinery.selectors import parse_field_selector, parse_label_selector
from apiserver.registry.options import FieldValidation, ListOptions, WriteOptions
from apiserver.registry.selection import Selects, all_of


def selection(resource: Resource, query: Mapping[str, str], name: str = "") -> Selects | None:
    """Return what the label and field selectors of a request select together. Raises 400."""
    wanted: list[Selects] = []
    if labels := query.get("labelSelector"):
        wanted.append(parse_label_selector(labels).matches)
    if fields := query.get("fieldSelector"):
        wanted.append(parse_field_selector(fields, resource.selectable_fields).matches)
    if name:
        wanted.append(parse_field_selector(f"metadata.name={name}").matches)
    return all_of(wanted)


def list_options(resource: Resource, info: RequestInfo, query: Mapping[str, str]) -> ListOptions:
    """Return the options of a list. Raises 400."""
    return ListOptions(
        namespace=info.namespace or None,
        selects=selection(resource, query),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        limit=number(query, "limit") or 0,
        continue_token=query.get("continue", ""),
    )


def write_options(info: RequestInfo, query: Mapping[str, str], caller: Caller) -> WriteOptions:
    """Return the options of a write. Raises 422, as kube-apiserver does for options that do not exist."""
    validation = query.get("fieldValidation") or FieldValidation.WARN
    if validation not in list(FieldValidation):
        raise _not_supported(info.verb, "fieldValidation", validation, sorted(FieldValidation))
    dry_run = query.get("dryRun") or ""
    if dry_run not in ("", "All"):
        raise _not_supported(info.verb, "dryRun", dry_run, ["All"])
    return WriteOptions(
        caller=caller,
        version=info.version,
        subresource=info.subresource,
        dry_run=dry_run == "All",
        field_validation=FieldValidation(validation),
        is_patch=info.verb == "patch",
    )


def _not_supported(verb: str, name: str, value: str, supported: Sequence[str]) -> errors.StatusError:
    kind = f"{verb.removesuffix('collection').title()}Options"
    return errors.invalid("meta.k8s.io", kind, "", [errors.FieldError.not_supported(name, value, supported)])


def number(query: Mapping[str, str], name: str) -> int | None:
    """Return a query parameter that must be a whole number, or None when it is absent. Raises 400."""
    text = query.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise errors.bad_request(f"{name} must be a whole number, 0 or more; it is {text!r}")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return a boolean query parameter as Kubernetes reads it."""
    return query.get(name, "").lower() in ("1", "true")
