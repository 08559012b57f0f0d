"""DataVolumes where they are the containerized data importer's: of the cluster, if it is installed there at all."""

from pathlib import Path

import pytest

from tests.aggregation.conftest import a_world, eventually
from tests.aggregation.machines import machine, machines
from tests.conformance.api import Answer, Api, Kind, connected

SOURCE = Kind("DataSource", "cdi.kubevirt.io", "v1beta1", "datasources", "default")


@pytest.mark.parametrize("installed", [True, False])
async def test_they_are_not_the_servers(tmp_path: Path, *, installed: bool) -> None:
    async with a_world(tmp_path, importer=installed) as world:
        assert (await world.aggregator.polled("/apis/cdi.kubevirt.io/v1beta1"))[0] == 404
        assert (await world.admin.call("POST", machines().path, machine("one"))).code == 201


async def test_machines_are_made_of_what_the_importer_has(tmp_path: Path) -> None:
    async with a_world(tmp_path, importer=True) as world, connected(world.cluster) as session:
        labels = {"template.kubevirt.io/architecture": "arm64"}
        source = {"pvc": {"name": "disk", "namespace": "default"}}
        body = SOURCE.manifest("debian", labels=labels) | {"spec": {"source": source}}
        assert (await Api(session).call("POST", SOURCE.path, body)).code == 201
        made: list[Answer] = []

        async def is_of_its_architecture() -> bool:
            reference = {"kind": "DataSource", "name": "debian"}
            volume = {"metadata": {"name": "disk"}, "spec": {"sourceRef": reference, "storage": {}}}
            new = machine(f"made-{len(made)}", dataVolumeTemplates=[volume])
            new["spec"]["template"]["spec"]["volumes"] = [{"name": "disk", "dataVolume": {"name": "disk"}}]
            made.append(await world.admin.call("POST", machines().path, new))
            assert made[-1].code == 201, made[-1].body
            return made[-1].body["spec"]["template"]["spec"]["architecture"] == "arm64"

        await eventually(is_of_its_architecture)
