"""Which class claims have that name none."""

from typing import Any

from apiserver.resources.storageclass import default_class
from tests.apiserver.resources.surroundings import Remembered


def stored(*classes: dict[str, Any]) -> Remembered:
    return Remembered(storageclasses__storage__k8s__io=list(classes))


def storage_class(name: str, day: int, marked: str = "true", prefix: str = "storageclass.kubernetes.io") -> Any:
    annotations = {f"{prefix}/is-default-class": marked}
    return {"metadata": {"name": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z", "annotations": annotations}}


def test_the_newest_that_is_marked_is_the_default() -> None:
    assert default_class(stored(storage_class("b", 1), storage_class("a", 2), storage_class("c", 3, "false"))) == "a"
    assert default_class(stored(storage_class("b", 2), storage_class("a", 2), storage_class("c", 1))) == "a"


def test_an_old_mark_is_one_too() -> None:
    assert default_class(stored(storage_class("a", 1, prefix="storageclass.beta.kubernetes.io"))) == "a"


def test_without_a_mark_there_is_no_default() -> None:
    assert default_class(stored(storage_class("a", 1, "false"), {"metadata": {"name": "b"}})) is None
