"""Rules of what cloud-init is told."""

import base64

import pytest

from apiserver.resources.virtualmachineinstance.validation import validate_spec
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    PLAIN,
    REQUIRED,
    TOO_LONG,
    Case,
    Object,
    edited,
    expect,
    expect_right,
)

CLOUD, FIELD = "volumes.1.cloudInitNoCloud", "volumes[1].cloudInitNoCloud"
KIB3 = "x" * 3000


def config_drive(**source: object) -> Object:
    return {"volumes.1": {"name": "seed", "cloudInitConfigDrive": source}}


DRIVE = "volumes[1].cloudInitConfigDrive"

CASES: list[Case] = [
    ({CLOUD: {}}, f"{FIELD}.userData", REQUIRED, "secretRef or network data"),
    ({CLOUD: {"userData": ""}}, f"{FIELD}.userData", REQUIRED, "give userData"),
    (config_drive(), f"{DRIVE}.userData", REQUIRED, "give userData"),
    ({f"{CLOUD}.secretRef": {"name": "s"}}, f"{FIELD}.secretRef", FORBIDDEN, "userData and secretRef exclude"),
    (
        {f"{CLOUD}.networkData": "a", f"{CLOUD}.networkDataBase64": "YQ=="},
        f"{FIELD}.networkDataBase64",
        FORBIDDEN,
        "remove one",
    ),
    (config_drive(userData="a", userDataBase64="YQ=="), f"{DRIVE}.userDataBase64", FORBIDDEN, "remove one"),
    ({CLOUD: {"secretRef": {}}}, f"{FIELD}.secretRef.name", REQUIRED, "name the Secret"),
    ({f"{CLOUD}.networkDataSecretRef": {}}, f"{FIELD}.networkDataSecretRef.name", REQUIRED, "name the Secret"),
    ({CLOUD: {"userData": KIB3}}, f"{FIELD}.userData", TOO_LONG, "3000 bytes"),
    ({CLOUD: {"userData": "ä" * 1025}}, f"{FIELD}.userData", TOO_LONG, "2050 bytes"),
    (config_drive(userData=KIB3), f"{DRIVE}.userData", TOO_LONG, "secretRef"),
    (
        {CLOUD: {"userDataBase64": base64.b64encode(KIB3.encode()).decode()}},
        f"{FIELD}.userDataBase64",
        TOO_LONG,
        "secretRef",
    ),
    ({CLOUD: {"userDataBase64": "#cloud"}}, f"{FIELD}.userDataBase64", INVALID, "for plain text"),
    (config_drive(networkDataBase64="?"), f"{DRIVE}.networkDataBase64", INVALID, "must be base64"),
    ({f"{CLOUD}.networkData": KIB3}, f"{FIELD}.networkData", TOO_LONG, "networkDataSecretRef"),
    (
        {"volumes.2": {"name": "more", "cloudInitNoCloud": {"userData": "a"}}},
        "volumes[2].cloudInitNoCloud",
        FORBIDDEN,
        "volumes[1] is one already",
    ),
    (
        {"volumes.2": {"name": "more", "cloudInitConfigDrive": {"userData": "a"}}},
        "volumes[2].cloudInitConfigDrive",
        FORBIDDEN,
        "volumes[1] is one already",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_data_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {CLOUD: {"secretRef": {"name": "s"}, "networkDataBase64": "YQ=="}},
    {CLOUD: {"networkData": "a"}},
    {CLOUD: {"userDataBase64": "aGVs\r\nbG8=\n"}},
    {CLOUD: {"userData": "x" * 2048}},
    config_drive(userData="x" * 2048, networkDataSecretRef={"name": "n"}),
]


@pytest.mark.parametrize("edits", RIGHT)
def test_data_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


def test_a_refusal_does_not_repeat_what_may_be_a_password() -> None:
    (found,) = validate_spec(edited({CLOUD: {"userDataBase64": "secret!"}}), "spec", PLAIN)
    assert "secret!" not in found.message
