#!/usr/bin/env python3
"""What creating a typical VirtualMachine costs the server, from its bytes to those that are stored.

It prints the CPU time of each step, for each served version; committing and answering are not part of it. It ends with
1 if the steps of the newest version take more than 400 microseconds together.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import orjson

import openapi
from apiserver.machinery.decoding import from_json
from apiserver.machinery.objectmeta import fill_new_metadata, validate_metadata
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry import admission, managedfields
from apiserver.registry.codec import stored_body
from apiserver.registry.options import WriteOptions
from apiserver.resources import resources

BUDGET_MICROSECONDS = 400
BATCHES = 20
MACHINE: Object = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "typical", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "runStrategy": "Always",
        "template": {
            "metadata": {"labels": {"kubevirt.io/domain": "typical"}},
            "spec": {
                "terminationGracePeriodSeconds": 60,
                "evictionStrategy": "LiveMigrate",
                "hostname": "typical",
                "nodeSelector": {"kubernetes.io/arch": "amd64"},
                "domain": {
                    "cpu": {"sockets": 2, "cores": 2, "threads": 1, "model": "host-model"},
                    "memory": {"guest": "4Gi"},
                    "resources": {"requests": {"memory": "4Gi", "cpu": "500m"}},
                    "machine": {"type": "q35"},
                    "firmware": {"bootloader": {"efi": {"secureBoot": False}}},
                    "features": {"acpi": {}, "smm": {"enabled": True}},
                    "devices": {
                        "rng": {},
                        "disks": [
                            {"name": "root", "bootOrder": 1, "disk": {"bus": "virtio"}},
                            {"name": "seed", "disk": {"bus": "virtio"}},
                        ],
                        "interfaces": [{"name": "default", "model": "virtio", "masquerade": {}}],
                    },
                },
                "networks": [{"name": "default", "pod": {}}],
                "volumes": [
                    {"name": "root", "containerDisk": {"image": "quay.io/containerdisks/fedora:42"}},
                    {"name": "seed", "cloudInitNoCloud": {"userData": "#cloud-config\nuser: fedora\n"}},
                ],
            },
        },
    },
}


KUBEVIRT: Object = {
    "metadata": {"name": "kubevirt", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"configuration": {"evictionStrategy": "None"}},
}


class Remembered:
    """The other objects: one KubeVirt object, as in every installation."""

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        return next((each for each in self.all(kind, namespace) if each["metadata"]["name"] == name), None)

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a kind."""
        if kind == "kubevirts.kubevirt.io" and namespace in {None, "virtplane"}:
            yield KUBEVIRT


class Stopwatch:
    """The time of each step, added up over some rounds."""

    def __init__(self) -> None:
        self.nanoseconds: dict[str, int] = {}

    def step(self, name: str, run: Callable[[], Any]) -> Any:
        """Run a step and return what it returns."""
        start = time.thread_time_ns()
        result = run()
        self.nanoseconds[name] = self.nanoseconds.get(name, 0) + time.thread_time_ns() - start
        return result


def create(resource: Resource, version: str, body: bytes, watch: Stopwatch) -> None:
    """Do what the registry does with a body, step by step."""
    options = WriteOptions(caller=Caller("jane"), version=version, manager="kubectl")
    strategy = resource.strategy
    sent = watch.step("decode", lambda: from_json(body)).value
    obj = watch.step("check", lambda: admission.checked(resource, sent, options))
    hub = watch.step("convert", lambda: admission.to_hub(resource, obj, options))
    entries = watch.step("managed fields", lambda: managedfields.created(resource, obj, options))
    watch.step("metadata", lambda: fill_new_metadata(hub["metadata"], "default"))
    watch.step("prepare", lambda: strategy.prepare_for_create(hub, options.caller))
    problems = watch.step("semantic rules", lambda: list(strategy.validate(hub, options.caller)))
    problems += watch.step("metadata", lambda: list(validate_metadata(hub["metadata"], resource.names)))
    watch.step("warnings", lambda: list(strategy.warnings(hub)))
    managedfields.put(hub, entries)
    watch.step("encode", lambda: stored_body(hub))
    if problems:
        raise SystemExit(f"the typical machine is refused: {problems}")


def in_version(resource: Resource, version: str) -> bytes:
    """Return the machine as a client of ``version`` sends it."""
    machine, conversion = deepcopy(MACHINE), resource.version(version).conversion
    if conversion is not None:
        machine = conversion.from_hub(machine)
    return orjson.dumps({**machine, "apiVersion": resource.api_version(version)})


def fastest(resource: Resource, version: str, body: bytes, rounds: int) -> dict[str, float]:
    """Return the microseconds of each step, in those rounds that other work on the machine disturbed the least."""
    watches = [Stopwatch() for _ in range(BATCHES)]
    for watch in (Stopwatch(), *watches):  # the first is for warming up
        for _ in range(max(1, rounds // BATCHES)):
            create(resource, version, body, watch)
    best = min(watches, key=lambda watch: sum(watch.nanoseconds.values()))
    return {name: spent / max(1, rounds // BATCHES) / 1000 for name, spent in best.nanoseconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3000, help="how often the machine is created in each version")
    rounds = parser.parse_args().rounds
    known = resources(Catalogue.load(openapi.DIRECTORY), Remembered())
    resource = next(each for each in known if each.storage_name == "virtualmachines.kubevirt.io")
    newest = resource.hub.name
    for version in (newest, "v1beta1", "v1alpha1"):
        body = in_version(resource, version)
        taken = fastest(resource, version, body, rounds)
        print(f"{version}: {len(body)} bytes, {sum(taken.values()):.0f} microseconds")
        for name, microseconds in taken.items():
            print(f"  {name:<16}{microseconds:>6.1f}")
        if version == newest and sum(taken.values()) > BUDGET_MICROSECONDS:
            sys.exit(f"more than the {BUDGET_MICROSECONDS} microseconds that it may cost")


if __name__ == "__main__":
    main()
