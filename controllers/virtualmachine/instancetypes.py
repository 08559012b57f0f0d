"""What a machine is made of by its instance type and preference: kept in revisions, applied to each instance.

Source: KubeVirt's ``pkg/instancetype/controller/vm``.
"""

from client.api import Client
from client.errors import ApiError, if_found
from client.kinds import CONTROLLER_REVISION, INSTANCETYPE_KINDS, VIRTUAL_MACHINE, VIRTUAL_MACHINE_ACTIONS
from client.store import ObjectKey, key_of
from controllers.context import Context
from controllers.virtualmachine.instance import owner_reference
from controllers.virtualmachine.status import Failure
from kube.attachments import add_disks, add_interface
from kube.instancetypes.application import apply
from kube.instancetypes.fields import field
from kube.instancetypes.matchers import (
    INSTANCETYPE,
    PREFERENCE,
    MissingError,
    UnknownKindError,
    chosen,
    named_kind,
)
from kube.instancetypes.preferences import prefer_attachments
from kube.instancetypes.revisions import is_outdated, revision_of, says_the_same
from kube.instancetypes.topology import uneven_spread
from kube.instancetypes.versions import newest
from kube.metadata import controller_of
from kube.objects import Object

FIELDS = (INSTANCETYPE, PREFERENCE)


class UnsettledError(Exception):
    """What a machine names cannot be used now; ``failure`` is for its conditions."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def names_any(machine: Object) -> bool:
    """Return True when the machine names an instance type or a preference, or did."""
    return any(which in machine["spec"] or f"{which}Ref" in machine.get("status", {}) for which in FIELDS)


class InstanceTypes:
    """Instance types, preferences and their revisions, as informers and the API know them."""

    def __init__(self, context: Context) -> None:
        self._client: Client = context.client
        self._configuration = context.configuration
        self._informers = {kind.qualified: context.informers[kind] for kind in INSTANCETYPE_KINDS}
        self._informers[CONTROLLER_REVISION.qualified] = context.informers[CONTROLLER_REVISION]
        # Revisions that the informer does not know yet, so that no instance is made of what has changed since.
        self._ahead: dict[ObjectKey, Object] = {}
        context.informers[CONTROLLER_REVISION].add_handler(self._revision_known)

    async def known(self) -> None:
        """Wait until all are known, so that nothing is taken for missing."""
        for informer in self._informers.values():
            await informer.synced.wait()
        await self._configuration.known()

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object by kind (``plural.group``), namespace and name, or None."""
        found = self._informers[kind].get(name, namespace)
        if found is None and kind == CONTROLLER_REVISION.qualified:
            return self._ahead.get(ObjectKey(namespace, name))
        return found

    def _revision_known(self, old: Object | None, new: Object | None) -> None:
        if (changed := new or old) is not None:
            self._ahead.pop(key_of(changed), None)

    def expands(self, machine: Object) -> bool:
        """Return True when the machine shall say itself all that instance type and preference say for it."""
        if not any(which in machine["spec"] for which in FIELDS):
            return False
        policy = self._configuration.now.instancetype_policy
        return policy == "expandAll" or (policy == "expand" and not any(_remembered(machine, each) for each in FIELDS))

    async def expand(self, machine: Object) -> Object:
        """Make the machine say itself all that instance type and preference say for it; return it as stored.

        Raises UnsettledError, and ApiError where trying again may help.
        """
        for which in FIELDS:
            self._chosen(machine, which)
        key = key_of(machine)
        try:
            expanded = await self._client.get(
                VIRTUAL_MACHINE_ACTIONS, key.name, key.namespace, subresource="expand-spec"
            )
            return await self._client.update(VIRTUAL_MACHINE, expanded)
        except ApiError as error:
            if error.reason not in ("InternalError", "Invalid"):
                raise
            raise UnsettledError(Failure("FailedCreate", error.message)) from error

    async def forget(self, machine: Object, references: dict[str, Object]) -> None:
        """Delete the revisions of what ``machine`` names that ``references``, which it has now, do without."""
        kept = {field(each, "controllerRevisionRef.name") for each in references.values()}
        for which in FIELDS:
            name = _remembered(machine, which)
            matcher = machine["spec"].get(which)
            if not name or name in kept or not matcher or "revisionName" in matcher or not _is_same(machine, which):
                continue
            revision = self.one(CONTROLLER_REVISION.qualified, machine["metadata"]["namespace"], name)
            owner = controller_of(revision) if revision else None
            if owner is not None and owner["uid"] == machine["metadata"]["uid"]:
                await if_found(self._client.delete(CONTROLLER_REVISION, name, machine["metadata"]["namespace"]))

    async def references(self, machine: Object) -> dict[str, Object]:
        """Return ``instancetypeRef`` and ``preferenceRef`` as the machine's status should have them.

        Keeps a revision of whatever the machine names that it did not name before. Raises UnsettledError and ApiError.
        """
        found = {which: await self._reference(machine, which) for which in FIELDS if which in machine["spec"]}
        return {f"{which}Ref": reference for which, reference in found.items()}

    async def _reference(self, machine: Object, which: str) -> Object:
        self._chosen(machine, which)
        named = _named(machine["spec"][which])
        if revision := machine["spec"][which].get("revisionName"):
            return {**named, "controllerRevisionRef": {"name": revision}}
        kept = _remembered(machine, which) if _is_same(machine, which) else None
        if kept is None:
            name = await self._keep(machine, self._source(machine, which))
        else:
            found = self.one(CONTROLLER_REVISION.qualified, machine["metadata"]["namespace"], kept)
            if found is None or not is_outdated(found):
                return machine["status"][f"{which}Ref"]
            name = await self._keep(machine, newest(found["data"]))
        return {**named, "controllerRevisionRef": {"name": name}}

    def _source(self, machine: Object, which: str) -> Object:
        named, matcher = named_kind(which, machine["spec"][which]), machine["spec"][which]
        namespace = machine["metadata"]["namespace"] if named.namespaced else ""
        source = self.one(named.stored_as, namespace, matcher["name"])
        if source is None:  # it went since it was looked at
            raise UnsettledError(_missing(which, f"{named.kind} {matcher['name']} does not exist"))
        return source

    async def _keep(self, machine: Object, source: Object) -> str:
        """Keep a revision of an instance type or a preference, and return its name."""
        revision = revision_of(machine, source, owner_reference(machine))
        name = revision["metadata"]["name"]
        try:
            found = await self._client.create(CONTROLLER_REVISION, revision)
        except ApiError as error:
            if not error.already_exists:
                raise
            found = await self._client.get(CONTROLLER_REVISION, name, machine["metadata"]["namespace"])
            if not says_the_same(found, revision):
                told = f"ControllerRevision {name} exists and says something else; delete it"
                raise UnsettledError(Failure("FailedCreate", told)) from error
        if self.one(CONTROLLER_REVISION.qualified, key_of(found).namespace, name) is None:
            self._ahead[key_of(found)] = found
        return name

    def apply(self, machine: Object, instance: Object) -> None:
        """Make of a new ``instance`` what the machine's instance type and preference say. Raises UnsettledError."""
        instancetype, preference = (self._chosen(machine, which) for which in FIELDS)
        if instancetype is None and preference is None:
            return
        spec = instance["spec"]
        if preference is not None:
            prefer_attachments(preference, spec)
        # First what is attached by itself, for a preference has a say in that too.
        add_disks(spec)
        add_interface(spec, self._configuration.now.default_network_interface)
        if why := uneven_spread(instancetype, preference):
            raise UnsettledError(Failure("FailedCreate", why))
        if conflicts := apply(instancetype, preference, instance):
            told = f"the instance type decides what the machine says too, in {', '.join(conflicts)}"
            raise UnsettledError(Failure("FailedCreate", told))
        _annotate(machine, instance)

    def _chosen(self, machine: Object, which: str) -> Object | None:
        try:
            return chosen(machine, which, self)
        except (MissingError, UnknownKindError) as error:
            raise UnsettledError(_missing(which, str(error))) from error


def _named(matcher: Object) -> Object:
    return {name: matcher[name] for name in ("name", "kind") if matcher.get(name)}


def _is_same(machine: Object, which: str) -> bool:
    """Return True when the machine still names what its status says it is made of."""
    old = field(machine, f"status.{which}Ref") or {}
    return all(old.get(name) == value for name, value in _named(machine["spec"][which]).items())


def _remembered(machine: Object, which: str) -> str | None:
    """Return the revision that the machine's status says it is made of."""
    return field(machine, f"status.{which}Ref.controllerRevisionRef.name")


def _missing(which: str, why: str) -> Failure:
    return Failure(f"FailedFind{which.capitalize()}", f"{why}; create it, or change spec.{which}")


def _annotate(machine: Object, instance: Object) -> None:
    """Say on the instance what it was made of (``pkg/instancetype/annotations``)."""
    for which in FIELDS:
        if matcher := machine["spec"].get(which):
            scope = "" if named_kind(which, matcher).namespaced else "cluster-"
            instance["metadata"]["annotations"][f"kubevirt.io/{scope}{which}-name"] = matcher["name"]
