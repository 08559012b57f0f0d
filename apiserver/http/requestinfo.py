"""What a request asks for, read from its method, path and query.

Source: ``k8s.io/apiserver/pkg/endpoints/request.RequestInfo``; authorization uses the same words.
"""

from collections.abc import Mapping

from apiserver.auth.attributes import RequestInfo
from apiserver.machinery.errors import StatusError
from apiserver.machinery.selectors import parse_field_selector
from kube.names import path_segment_problem

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_OF_MANY = frozenset({"list", "watch", "deletecollection"})


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Return what ``method`` on ``path`` asks for."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return RequestInfo(verb=method.lower(), path=path)
    namespace = ""
    # /watch/ before a path is the old way to watch what it names.
    watches = method == "GET" and rest[0] == "watch" and len(rest) > 1
    rest = rest[1:] if watches else rest
    # /namespaces/NAME is the namespace itself; /namespaces/NAME/RESOURCE lies in it.
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = "watch" if watches else _verb(method, name, query)
    return RequestInfo(
        verb=verb,
        path=path,
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
        below="/".join(rest[3:]),
        selected_name=_selected_name(query) if verb in _OF_MANY else "",
        field_selector=query.get("fieldSelector", ""),
    )


def _selected_name(query: Mapping[str, str]) -> str:
    """Return the name that a field selector demands, where it can be one."""
    try:
        name = parse_field_selector(query.get("fieldSelector", ""), None).required("metadata.name")
    except StatusError:  # whoever reads the options tells what is wrong with them
        return ""
    return name if name and path_segment_problem(name) is None else ""


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    verb = _VERBS.get(method, method.lower())
    if name:
        return verb  # an object is not watched by its own path: that is a get
    if method == "GET" and query.get("watch", "0").lower() not in ("0", "false"):
        return "watch"
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)
