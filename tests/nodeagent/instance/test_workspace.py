"""The directories of guests, on a real file system."""

import uuid
from pathlib import Path

import pytest

from nodeagent.instance.workspace import Workspaces
from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepare import Volumes


@pytest.fixture
async def workspaces(tmp_path: Path) -> Workspaces:
    root, images = tmp_path / "guests", ImageStore(tmp_path / "images", [])
    made = Workspaces(root, Volumes(root, images), images.unpacked, None)
    await made.open()
    return made


async def test_what_old_guests_left_behind_goes_and_nothing_else(tmp_path: Path, workspaces: Workspaces) -> None:
    old, kept = (str(uuid.uuid4()) for _ in range(2))
    for name in (old, kept, "lost+found", "backup"):
        (tmp_path / "guests" / name).mkdir()
    (tmp_path / "guests" / "note").write_text("a person's")
    await workspaces.discard_others({kept})
    assert {each.name for each in (tmp_path / "guests").iterdir()} == {kept, "lost+found", "backup", "note"}


async def test_a_directory_that_cannot_be_removed_keeps_no_other_from_going(
    tmp_path: Path, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, old = sorted(str(uuid.uuid4()) for _ in range(2))
    for name in (stuck, old):
        (tmp_path / "guests" / name).mkdir()
    discard = workspaces.discard

    async def refuse(uid: str) -> None:
        if uid == stuck:
            raise PermissionError(stuck)
        await discard(uid)

    monkeypatch.setattr(workspaces, "discard", refuse)
    await workspaces.discard_others(())
    assert [each.name for each in (tmp_path / "guests").iterdir()] == [stuck]
