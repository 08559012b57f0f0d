"""KVM counts only when a guest ran under it."""

import json
import shutil
import time
from pathlib import Path

import pytest

from nodeagent.hypervisor import kvm
from nodeagent.hypervisor.kvm import Verdict, kvm_works, probe


def qemu() -> str:
    found = shutil.which("qemu-system-x86_64")
    assert found, "qemu-system-x86_64 is missing: install Debian's qemu-system-x86"
    return found


def program(path: Path, script: str) -> str:
    """A program in QEMU's place."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def test_a_guest_that_runs_is_seen_to_run() -> None:
    # Emulation runs the same guest on every host, so this fails when the boot sector or the arguments are wrong.
    assert (await probe(qemu(), "tcg", seconds=20)).works


async def test_a_guest_that_hangs_does_not_work_and_is_killed(tmp_path: Path) -> None:
    hanging = program(tmp_path / "qemu", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    began = time.monotonic()
    verdict = await probe(hanging, "kvm", seconds=0.5)
    assert not verdict.works
    assert "firmware" in verdict.why
    assert time.monotonic() - began < 10
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


async def test_what_qemu_complains_about_is_passed_on(tmp_path: Path) -> None:
    verdict = await probe(program(tmp_path / "qemu", "echo 'no such luck' >&2; exit 1"), "kvm")
    assert verdict == Verdict(works=False, why="QEMU could not run a guest under KVM: no such luck")


async def test_a_guest_that_ends_in_any_other_way_did_not_run(tmp_path: Path) -> None:
    assert not (await probe(program(tmp_path / "qemu", "exit 0"), "kvm")).works


async def test_a_host_without_the_device_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "kvm")
    verdict = await kvm_works(tmp_path / "cache.json")
    assert not verdict.works
    assert "does not exist" in verdict.why
    assert not (tmp_path / "cache.json").exists()


async def test_a_user_without_permission_is_told_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "DEVICE", tmp_path)
    monkeypatch.setattr(kvm.os, "access", lambda *_: False)  # root may open everything
    verdict = await kvm_works(tmp_path / "cache.json")
    assert not verdict.works
    assert "group kvm" in verdict.why


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /dev/kvm that opens, on a host that is x86_64, with no other program in the PATH than ours."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(kvm, "DEVICE", programs)
    monkeypatch.setattr(kvm.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(programs))
    return programs


async def test_without_qemu_the_user_is_told_what_to_install(device: Path, tmp_path: Path) -> None:
    verdict = await kvm_works(tmp_path / "cache.json")
    assert not verdict.works
    assert "apt-get install qemu-system-x86" in verdict.why


async def test_a_verdict_is_kept_until_qemu_changes(device: Path, tmp_path: Path) -> None:
    cache, runs = tmp_path / "run" / "kvm.json", tmp_path / "runs"
    program(device / "qemu-system-x86_64", f"echo run >> {runs}; exit 85")
    assert (await kvm_works(cache)).works
    assert (await kvm_works(cache)).works
    assert runs.read_text().splitlines() == ["run"]
    program(device / "qemu-system-x86_64", f"echo again >> {runs}; exit 1 # another version")
    assert not (await kvm_works(cache)).works
    assert not (await kvm_works(cache)).works
    assert runs.read_text().splitlines() == ["run", "again"]


@pytest.mark.parametrize("change", ["boot", "uid"])
async def test_a_verdict_of_another_boot_or_user_does_not_count(device: Path, tmp_path: Path, change: str) -> None:
    cache, runs = tmp_path / "kvm.json", tmp_path / "runs"
    program(device / "qemu-system-x86_64", f"echo run >> {runs}; exit 85")
    await kvm_works(cache)
    content = json.loads(cache.read_text())
    content["key"][change] = "other"
    cache.write_text(json.dumps(content))
    await kvm_works(cache)
    assert runs.read_text().splitlines() == ["run", "run"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1}', "null"])
async def test_a_broken_cache_is_written_anew(device: Path, tmp_path: Path, content: str) -> None:
    cache = tmp_path / "kvm.json"
    cache.write_text(content)
    program(device / "qemu-system-x86_64", "exit 85")
    assert (await kvm_works(cache)).works
    assert json.loads(cache.read_text())["verdict"]["works"] is True


async def test_the_kernel_is_believed_where_there_is_no_probe(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kvm.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(kvm, "DEVICE", Path("/dev/null"))
    verdict = await kvm_works(tmp_path / "kvm.json")
    assert not verdict.works
    assert "does not answer" in verdict.why
