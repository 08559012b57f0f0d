"""Makes most of what schemathesis invents pass the first checks, so that it meets what lies behind them.

The contract says that a name is a string; hardly a random string is a name. So most requests are about one object,
and most objects say truly what they are.
"""

from typing import Any

import schemathesis

NAME = "one"


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: Any) -> Any:
    if not isinstance(path_parameters, dict) or "name" not in path_parameters or _as_invented(path_parameters):
        return path_parameters
    return {**path_parameters, "name": NAME}


@schemathesis.hook
def map_query(context: schemathesis.HookContext, query: Any) -> Any:
    return query if not isinstance(query, dict) or _as_invented(query) else {}


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    if not isinstance(body, dict) or _as_invented(body):
        return body
    kind = context.operation.definition.raw["x-kubernetes-group-version-kind"]
    told = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    if context.operation.method.upper() == "DELETE":
        return told
    version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    return {**told, "apiVersion": version, "kind": kind["kind"], "metadata": {"name": NAME}}


def _as_invented(value: Any) -> bool:
    """Leave one of four as it is; the same one each time, or nothing could be tried again."""
    return sum(repr(value).encode()) % 4 == 0
