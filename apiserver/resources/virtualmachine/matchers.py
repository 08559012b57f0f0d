"""The rules of ``spec.instancetype`` and ``spec.preference``: how they name something, and what they infer.

Source: KubeVirt's ``pkg/instancetype/webhooks/vm`` and ``infer``.
"""

from collections.abc import Iterator

from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object, Stored
from kube.instancetypes.fields import field
from kube.instancetypes.matchers import INSTANCETYPE, PREFERENCE, UnknownKindError, kinds, named_kind

FIELDS = (INSTANCETYPE, PREFERENCE)
_CLAIMS = "persistentvolumeclaims"
_DATA_VOLUMES, _DATA_SOURCES = "datavolumes.cdi.kubevirt.io", "datasources.cdi.kubevirt.io"
_POLICIES = ("Reject", "Ignore")


class _NothingSaidError(Exception):
    """A volume that says nothing of what should be inferred from it: the policy Ignore lets that pass."""


def validate_matchers(spec: Object) -> Iterator[FieldError]:
    """Yield everything wrong with how a machine's ``spec`` names an instance type and a preference."""
    for which in FIELDS:
        if which in spec:
            yield from _validate_matcher(which, spec[which])


def _validate_matcher(which: str, matcher: Object) -> Iterator[FieldError]:
    path, volume = f"spec.{which}", matcher.get("inferFromVolume")
    if not volume and not matcher.get("name"):
        yield FieldError("FieldValueNotFound", path, "name or inferFromVolume is needed")
    for name in ("name", "kind"):
        if volume and matcher.get(name):
            detail = f"{name} must not be set with inferFromVolume, which finds it; remove one of the two"
            yield FieldError("FieldValueNotSupported", f"{path}.{name}", detail)
    policy = matcher.get("inferFromVolumeFailurePolicy", "Reject")
    if policy not in _POLICIES:
        detail = f"must be {' or '.join(_POLICIES)}"
        yield FieldError.invalid(f"{path}.inferFromVolumeFailurePolicy", policy, detail)
    try:
        named_kind(which, {} if volume else matcher)
    except UnknownKindError:
        yield FieldError.not_supported(f"{path}.kind", matcher["kind"], kinds(which))


def validate_matcher_changes(spec: Object, before: Object) -> Iterator[FieldError]:
    """Yield an error where a machine names something else, and still a revision of what it named before."""
    for which in FIELDS:
        new, old = spec.get(which, {}), before.get(which, {})
        revision = old.get("revisionName")
        if revision and new.get("revisionName") == revision and new.get("name") != old.get("name"):
            detail = f"is a revision of {old.get('name')}; remove it when name changes"
            yield FieldError.invalid(f"spec.{which}.revisionName", revision, detail)


def infer(machine: Object, stored: Stored) -> None:
    """Replace every ``inferFromVolume`` by what the labels of that volume name, in place.

    Matchers that break a rule stay as they are. Raises 400 where nothing can be inferred and the matcher's policy is
    not Ignore.
    """
    spec = machine["spec"]
    if any(validate_matchers(spec)):
        return
    for which in FIELDS:
        matcher = spec.get(which, {})
        if matcher.get("inferFromVolume"):
            _infer(machine, which, matcher, stored)


def _infer(machine: Object, which: str, matcher: Object, stored: Stored) -> None:
    spec, ignore = machine["spec"], matcher.get("inferFromVolumeFailurePolicy") == "Ignore"
    try:
        labels = _Volumes(machine, which, stored).labels_of(matcher["inferFromVolume"])
    except _NothingSaidError as nothing:
        if not ignore:
            raise errors.bad_request(f"cannot infer spec.{which}: {nothing}") from nothing
        del spec[which]
        return
    kind = labels.get(f"{_label(which)}-kind")
    spec[which] = {"name": labels[_label(which)], **({"kind": kind} if kind else {})}
    if ignore and which == INSTANCETYPE:
        # What was said for the case that nothing is inferred.
        spec["template"]["spec"]["domain"].pop("memory", None)


def _label(which: str) -> str:
    return f"instancetype.kubevirt.io/default-{which}"


class _Volumes:
    """Finds the labels on what a machine's volumes come from."""

    def __init__(self, machine: Object, which: str, stored: Stored) -> None:
        self._machine = machine
        self._namespace: str = machine["metadata"].get("namespace", "")
        self._label = _label(which)
        self._stored = stored

    def labels_of(self, name: str) -> dict[str, str]:
        """Return labels that say what was asked for. Raises _NothingSaidError, or 400 for what is not there."""
        volumes = field(self._machine, "spec.template.spec.volumes") or ()
        volume = next((each for each in volumes if each["name"] == name), None)
        if volume is None:
            raise errors.bad_request(f"there is no volume {name} in spec.template.spec.volumes to infer from")
        if "persistentVolumeClaim" in volume:
            return self._of_claim(volume["persistentVolumeClaim"]["claimName"], self._namespace)
        if "dataVolume" in volume:
            return self._of_data_volume(volume["dataVolume"]["name"])
        raise _NothingSaidError(f"volume {name} is neither a persistentVolumeClaim nor a dataVolume")

    def _of_data_volume(self, name: str) -> dict[str, str]:
        templates = self._machine["spec"].get("dataVolumeTemplates", ())
        for template in templates:
            if template["metadata"].get("name") == name:
                return self._of_source(template["spec"])
        found = self._stored.one(_DATA_VOLUMES, self._namespace, name)
        if found is None:  # collected once its claim was filled
            return self._of_claim(name, self._namespace)
        return self._said(found) or self._of_source(found["spec"])

    def _of_source(self, spec: Object) -> dict[str, str]:
        if claim := field(spec, "source.pvc"):
            return self._of_claim(claim["name"], claim["namespace"])
        reference = spec.get("sourceRef", {})
        if reference.get("kind") == "DataSource":
            return self._of_data_source(reference["name"], reference.get("namespace") or self._namespace)
        raise _NothingSaidError("the data volume's source is neither a claim nor a DataSource")

    def _of_data_source(self, name: str, namespace: str) -> dict[str, str]:
        found = self._existing(_DATA_SOURCES, "DataSource", namespace, name)
        if said := self._said(found):
            return said
        claim = field(found, "spec.source.pvc")
        if claim is None:
            raise _NothingSaidError(f"DataSource {namespace}/{name} is not of a claim")
        return self._of_claim(claim["name"], claim["namespace"])

    def _of_claim(self, name: str, namespace: str) -> dict[str, str]:
        labels = self._said(self._existing(_CLAIMS, "PersistentVolumeClaim", namespace, name))
        if labels is None:
            raise _NothingSaidError(f"PersistentVolumeClaim {namespace}/{name} has no label {self._label}")
        return labels

    def _existing(self, kind: str, shown: str, namespace: str, name: str) -> Object:
        found = self._stored.one(kind, namespace, name)
        if found is None:
            raise errors.bad_request(f"{shown} {namespace}/{name}, to infer from, does not exist")
        return found

    def _said(self, obj: Object) -> dict[str, str] | None:
        labels = obj["metadata"].get("labels", {})
        return labels if self._label in labels else None
