"""Who may log in to a guest, and as whom the guest comes to the cluster."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from kube.names import subdomain_problem

METHODS = {
    "sshPublicKey": ("noCloud", "configDrive", "qemuGuestAgent"),
    "userPassword": ("qemuGuestAgent",),
}
"""The kinds of credentials, and how each can reach the guest."""
_VOLUMES = {"noCloud": "cloudInitNoCloud", "configDrive": "cloudInitConfigDrive"}
"""The volume that carries a key."""


def kinds(spec: Object, path: str) -> Iterator[FieldError]:
    """A credential is of exactly one kind."""
    for i, credential in enumerate(spec.get("accessCredentials", ())):
        field = f"{path}.accessCredentials[{i}]"
        given = [kind for kind in METHODS if kind in credential]
        if not given:
            yield FieldError.required(field, f"say what it is: {' or '.join(METHODS)}")
        elif len(given) > 1:
            yield FieldError.forbidden(field, f"{' and '.join(given)} exclude each other; use two entries")


def sources(spec: Object, path: str) -> Iterator[FieldError]:
    """A credential comes out of a Secret."""
    for kind, credential, field in _credentials(spec, path):
        if "secret" not in credential["source"]:
            yield FieldError.required(f"{field}.source.secret", f"name the Secret that holds the {kind}")


def methods(spec: Object, path: str) -> Iterator[FieldError]:
    """A credential reaches the guest in exactly one way, which is there."""
    volumes = {key for volume in spec.get("volumes", ()) for key in volume}
    for kind, credential, field in _credentials(spec, path):
        at, method = f"{field}.propagationMethod", credential["propagationMethod"]
        given = [name for name in METHODS[kind] if name in method]
        if not given:
            yield FieldError.required(at, f"say how it reaches the guest: {', '.join(METHODS[kind])}")
        elif len(given) > 1:
            yield FieldError.forbidden(at, f"{' and '.join(given)} exclude each other; remove one")
        for name in given:
            if name in _VOLUMES and _VOLUMES[name] not in volumes:
                yield FieldError.invalid(f"{at}.{name}", {}, f"needs a volume to write to; add a {_VOLUMES[name]}")
        if kind == "sshPublicKey" and "qemuGuestAgent" in given and not method["qemuGuestAgent"].get("users"):
            yield FieldError.required(f"{at}.qemuGuestAgent.users", "name the users that the keys are for")


def service_account(spec: Object, path: str) -> Iterator[FieldError]:
    """The account is one that can be, and that of the volume, if there is one."""
    name, field = spec.get("serviceAccountName"), f"{path}.serviceAccountName"
    if not name:
        return
    if problem := subdomain_problem(name):
        yield FieldError.invalid(field, name, problem)
    for i, volume in enumerate(spec.get("volumes", ())):
        other = volume.get("serviceAccount", {}).get("serviceAccountName") or name
        if other != name:
            yield FieldError.invalid(field, name, f"must be {other}, the account of volumes[{i}]; a guest has one")


def _credentials(spec: Object, path: str) -> Iterator[tuple[str, Object, str]]:
    for i, credential in enumerate(spec.get("accessCredentials", ())):
        for kind in METHODS:
            if kind in credential:
                yield kind, credential[kind], f"{path}.accessCredentials[{i}].{kind}"


RULES = (kinds, sources, methods, service_account)
