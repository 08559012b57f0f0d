"""The VirtualMachine controller: gather from the informers, ask :mod:`decide`, act once, record the status."""

import random

from client.errors import ApiError, if_found
from client.kinds import CONTROLLER_REVISION, INSTANCETYPE_KINDS, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from client.store import ObjectKey, key_of
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.virtualmachine.decide import (
    Action,
    CreateInstance,
    DeleteInstance,
    HoldMachine,
    Nothing,
    QueueStart,
    ReleaseInstance,
    ReleaseMachine,
    SetAlways,
    Wait,
    decide,
)
from controllers.virtualmachine.instance import build_instance
from controllers.virtualmachine.instancetypes import FIELDS, InstanceTypes, UnsettledError, names_any
from controllers.virtualmachine.status import Facts, Failure, machine_status, seconds_untold
from kube.conditions import get_condition
from kube.instances import MACHINE_FINALIZER
from kube.metadata import (
    adding_finalizer,
    controller_of,
    has_finalizer,
    is_terminating,
    removing_finalizer,
    status_patch,
)
from kube.objects import Object

WORKERS = 8
REFERENCES = frozenset(f"{which}Ref" for which in FIELDS)
"""Where a machine's status says what it is made of."""
BY_WAITING = "waiting"
"""The index of machines that name an instance type or a preference and cannot start, all under WAITING."""
WAITING = "waiting"


class VirtualMachineController:
    """Reconciles every VirtualMachine; an instance has the name of its machine, so one key serves both."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._machines = context.informers[VIRTUAL_MACHINE]
        self._instances = context.informers[VIRTUAL_MACHINE_INSTANCE]
        self._instancetypes = InstanceTypes(context)
        self._queue: WorkQueue[ObjectKey] = WorkQueue("virtualmachine", self.reconcile, workers=WORKERS)
        self._machines.add_handler(self._changed)
        self._instances.add_handler(self._changed)
        for kind in (*INSTANCETYPE_KINDS, CONTROLLER_REVISION):
            context.informers[kind].add_handler(self._source_changed)
        self._policy = context.configuration.now.instancetype_policy
        context.configuration.add_handler(self._configured)

    async def run(self) -> None:
        """Reconcile until cancelled, once both informers are synced."""
        await self._machines.synced.wait()
        await self._instances.synced.wait()
        await self._instancetypes.known()
        await self._queue.run()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Take the one next step for a machine. Returns the seconds to wait before the next attempt, if any."""
        machine = self._machines.get(key.name, key.namespace)
        instance = self._instances.get(key.name, key.namespace)
        if machine is None:
            await self._release_orphan(key, instance)
            return None
        if instance is not None and not _controls(machine, instance):
            instance = None
        action = decide(machine, instance, self._context.now())
        if names_any(machine) and not is_terminating(machine):
            settled = await self._settle(machine, instance)
            if settled is None:
                return None
            machine = settled
        await self._take(action, machine, instance)
        return action.seconds if isinstance(action, Wait) else None

    async def _settle(self, machine: Object, instance: Object | None) -> Object | None:
        """Keep what the machine is made of; None where that is missing and nothing runs that goes on without."""
        before = machine
        try:
            if self._instancetypes.expands(machine):
                machine = await self._instancetypes.expand(machine)
                self._machines.observe(machine)
            references = await self._instancetypes.references(machine)
        except UnsettledError as error:
            if instance is not None:
                return machine
            await self._fail(error.failure, machine, instance, Nothing())
            return None
        except ApiError as error:
            if error.code != 403:
                raise
            # A quota may leave no room for a revision: what runs is stopped all the same.
            if instance is not None:
                return machine
            await self._fail(Failure("FailedCreate", error.message), machine, None, Nothing())
            raise
        status = {name: value for name, value in machine.get("status", {}).items() if name not in REFERENCES}
        if patch := status_patch(machine, status | references):
            machine = await self._patch_machine(machine, patch, subresource="status")
        await self._instancetypes.forget(before, references)
        return machine

    async def _take(self, action: Action, machine: Object, instance: Object | None) -> None:
        """Act and record. A start acts first, for speed; what ends something records first, so as not to forget it."""
        match action:
            case CreateInstance(paused):
                await self._create(action, machine, paused=paused)
            case DeleteInstance() if instance is not None:
                machine = await self._record(machine, instance, action)
                await self._delete(action, machine, instance)
            case ReleaseInstance() if instance is not None:
                await self._record(machine, instance, action)
                await self._release_instance(instance)
            case HoldMachine():
                machine = await self._patch_machine(machine, adding_finalizer(machine, MACHINE_FINALIZER))
                await self._record(machine, instance, action)
            case ReleaseMachine():
                await self._patch_machine(machine, removing_finalizer(machine, MACHINE_FINALIZER))
            case SetAlways():
                field = {"running": True} if "running" in machine["spec"] else {"runStrategy": "Always"}
                version = {"resourceVersion": machine["metadata"]["resourceVersion"]}
                await self._patch_machine(machine, {"metadata": version, "spec": field})
            case Nothing() | QueueStart() | Wait() | DeleteInstance() | ReleaseInstance():
                await self._record(machine, instance, action)

    async def _create(self, action: Action, machine: Object, *, paused: bool) -> None:
        wanted = build_instance(machine, paused=paused)
        try:
            self._instancetypes.apply(machine, wanted)
        except UnsettledError as error:
            await self._fail(error.failure, machine, None, Nothing())
            return
        try:
            instance = await self._client.create(VIRTUAL_MACHINE_INSTANCE, wanted)
        except ApiError as error:
            found = await self._found(machine) if error.already_exists else None
            if found is None:
                await self._fail(Failure("FailedCreate", error.message), machine, None, action)
                raise
            await self._record(machine, found, Nothing())
            return
        message = (
            f"Started the virtual machine by creating the new virtual machine instance {wanted['metadata']['name']}"
        )
        self._context.events.normal(machine, "SuccessfulCreate", message)
        await self._record(machine, instance, action)

    async def _found(self, machine: Object) -> Object | None:
        """Return our own instance when an earlier attempt created it and the informer does not know yet."""
        key = key_of(machine)
        found = await self._client.get(VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace)
        return found if _controls(machine, found) else None

    async def _delete(self, action: Action, machine: Object, instance: Object) -> None:
        key = key_of(instance)
        uid = instance["metadata"]["uid"]
        # A machine that orphaned its guest must not take it along because the news of that comes late.
        version = instance["metadata"]["resourceVersion"] if is_terminating(machine) else None
        try:
            await self._client.delete(
                VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, uid=uid, resource_version=version
            )
        except ApiError as error:
            if error.not_found:
                return
            if not error.conflict:
                await self._fail(Failure("FailedDelete", error.message), machine, instance, action)
            raise
        message = f"Stopped the virtual machine by deleting the virtual machine instance {uid}"
        self._context.events.normal(machine, "SuccessfulDelete", message)

    async def _fail(self, failure: Failure, machine: Object, instance: Object | None, action: Action) -> None:
        self._context.events.warning(machine, failure.reason, failure.message)
        await self._record(machine, instance, action, failure)

    async def _record(
        self, machine: Object, instance: Object | None, action: Action, failure: Failure | None = None
    ) -> Object:
        """Bring the machine's status up to date; return the machine as stored."""
        now = self._context.now()
        if failure is None and (seconds := seconds_untold(machine, instance, action, now)) > 0:
            self._queue.add_after(key_of(machine), seconds)
            return machine
        facts = Facts(
            machine=machine,
            instance=instance,
            action=action,
            failure=failure,
            now=now,
            jitter=random.random(),  # noqa: S311 - spreads restarts, hides nothing
        )
        patch = status_patch(machine, machine_status(facts))
        return await self._patch_machine(machine, patch, subresource="status") if patch else machine

    async def _patch_machine(self, machine: Object, patch: Object, *, subresource: str | None = None) -> Object:
        key = key_of(machine)
        written = await self._client.patch(VIRTUAL_MACHINE, key.name, key.namespace, patch, subresource=subresource)
        self._machines.observe(written)
        return written

    async def _release_orphan(self, key: ObjectKey, instance: Object | None) -> None:
        """Let an instance go that outlived its machine (the garbage collector deletes it)."""
        if instance is None or not has_finalizer(instance, MACHINE_FINALIZER) or not is_terminating(instance):
            return
        if await if_found(self._client.get(VIRTUAL_MACHINE, key.name, key.namespace)) is None:
            await self._release_instance(instance)

    async def _release_instance(self, instance: Object) -> None:
        key = key_of(instance)
        patch = removing_finalizer(instance, MACHINE_FINALIZER)
        written = await if_found(self._client.patch(VIRTUAL_MACHINE_INSTANCE, key.name, key.namespace, patch))
        if written is not None:
            self._instances.observe(written)

    def _source_changed(self, old: Object | None, new: Object | None) -> None:
        """Look again at the machines that wait for what they are made of, or for a revision to make room."""
        namespace = ((new or old) or {})["metadata"].get("namespace", "")
        for machine in self._machines.by_index(BY_WAITING, WAITING):
            if namespace in ("", key_of(machine).namespace):
                self._queue.add(key_of(machine))

    def _configured(self) -> None:
        """Look again at the machines that name something when it has changed how they keep that."""
        policy = self._context.configuration.now.instancetype_policy
        if policy != self._policy:
            self._policy = policy
            for machine in self._machines.all():
                if names_any(machine):
                    self._queue.add(key_of(machine))

    def _changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._queue.add(key_of(changed))


def waiting(machine: Object) -> list[str]:
    """Index a machine by whether it waits for what it is made of."""
    failed = get_condition(machine.get("status", {}).get("conditions", ()), "Failure")
    return [WAITING] if failed and names_any(machine) else []


def _controls(machine: Object, instance: Object) -> bool:
    owner = controller_of(instance)
    return owner is not None and owner["uid"] == machine["metadata"]["uid"]
