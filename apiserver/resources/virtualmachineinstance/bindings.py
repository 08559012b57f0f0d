"""How an interface reaches its network, in the words of each version.

v1 names a binding: ``binding: {name: slirp}``. Older versions have a field for each: ``slirp: {}``. v1 still accepts
those, too; only one way may be given in any version.
"""

from collections.abc import Callable, Collection, Iterator

from apiserver.machinery.resource import Object

LEGACY = ("slirp", "macvtap", "passt")
METHODS = ("masquerade", "bridge", "sriov", "passtBinding", "binding", *LEGACY)


def interfaces_to_hub(spec: Object, fields: Collection[str]) -> Object:
    """Return an instance's ``spec`` with a binding in place of each of ``fields``."""
    return _with_interfaces(spec, lambda interface: _named(interface, fields))


def interfaces_from_hub(spec: Object, fields: Collection[str]) -> Object:
    """Return an instance's ``spec`` with one of ``fields`` in place of each binding of that name."""
    return _with_interfaces(spec, lambda interface: _fielded(interface, fields))


def settle_interfaces(spec: Object, said: Object) -> None:
    """Let every interface of ``spec`` have only the ways that ``said`` gives it, where it has several."""
    chosen = {each["name"]: _methods(each) for each in _interfaces(said)}
    for interface in _interfaces(spec):
        methods, wanted = _methods(interface), chosen.get(interface["name"])
        if len(methods) > 1 and wanted:
            for method in methods - wanted:
                del interface[method]


def deprecations(spec: Object, path: str) -> Iterator[str]:
    """Yield a warning for every field of an older version in an instance's v1 ``spec`` at ``path``."""
    for i, interface in enumerate(_interfaces(spec)):
        if "slirp" in interface:
            yield f"{path}.domain.devices.interfaces[{i}].slirp is deprecated; use binding: {{name: slirp}}"


def _named(interface: Object, fields: Collection[str]) -> Object:
    used = [name for name in fields if name in interface]
    if not used:
        return interface
    # A second one stays where it is: validation then tells that there are two.
    rest = {key: value for key, value in interface.items() if key != used[0]}
    return {**rest, "binding": {"name": used[0]}}


def _fielded(interface: Object, fields: Collection[str]) -> Object:
    unknown = {"binding", *LEGACY} - set(fields)
    rest = {key: value for key, value in interface.items() if key not in unknown}
    name = interface.get("binding", {}).get("name")
    return {**rest, name: {}} if name in fields else rest


def _with_interfaces(spec: Object, change: Callable[[Object], Object]) -> Object:
    devices = spec["domain"]["devices"]
    if "interfaces" not in devices:
        return spec
    changed = {**devices, "interfaces": [change(each) for each in devices["interfaces"]]}
    return {**spec, "domain": {**spec["domain"], "devices": changed}}


def _interfaces(spec: Object) -> list[Object]:
    return spec["domain"]["devices"].get("interfaces", [])


def _methods(interface: Object) -> set[str]:
    return interface.keys() & set(METHODS)
