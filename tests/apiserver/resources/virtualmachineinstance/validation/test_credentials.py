"""Rules of who may log in, and of the guest's account."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    Case,
    Object,
    expect,
    expect_right,
)

SECRET = {"secret": {"secretName": "s"}}
FIELD = "accessCredentials[0]"
AGENT = {"qemuGuestAgent": {"users": ["jane"]}}


def key(method: Object, source: Object = SECRET) -> Object:
    return {"accessCredentials": [{"sshPublicKey": {"source": source, "propagationMethod": method}}]}


def password(method: Object, source: Object = SECRET) -> Object:
    return {"accessCredentials": [{"userPassword": {"source": source, "propagationMethod": method}}]}


CASES: list[Case] = [
    ({"accessCredentials": [{}]}, FIELD, REQUIRED, "sshPublicKey or userPassword"),
    (
        {"accessCredentials": [key(AGENT)["accessCredentials"][0] | password(AGENT)["accessCredentials"][0]]},
        FIELD,
        FORBIDDEN,
        "use two entries",
    ),
    (key(AGENT, {}), f"{FIELD}.sshPublicKey.source.secret", REQUIRED, "holds the sshPublicKey"),
    (password(AGENT, {}), f"{FIELD}.userPassword.source.secret", REQUIRED, "holds the userPassword"),
    (key({}), f"{FIELD}.sshPublicKey.propagationMethod", REQUIRED, "noCloud, configDrive, qemuGuestAgent"),
    (password({}), f"{FIELD}.userPassword.propagationMethod", REQUIRED, "qemuGuestAgent"),
    (key({"noCloud": {}, **AGENT}), f"{FIELD}.sshPublicKey.propagationMethod", FORBIDDEN, "remove one"),
    (
        key({"configDrive": {}}),
        f"{FIELD}.sshPublicKey.propagationMethod.configDrive",
        INVALID,
        "add a cloudInitConfigDrive",
    ),
    (
        key({"noCloud": {}}) | {"volumes.1": {"name": "seed", "cloudInitConfigDrive": {"userData": "a"}}},
        f"{FIELD}.sshPublicKey.propagationMethod.noCloud",
        INVALID,
        "add a cloudInitNoCloud",
    ),
    (
        key({"qemuGuestAgent": {"users": []}}),
        f"{FIELD}.sshPublicKey.propagationMethod.qemuGuestAgent.users",
        REQUIRED,
        "name the users",
    ),
    ({"serviceAccountName": "No"}, "serviceAccountName", INVALID, "subdomain"),
    (
        {"serviceAccountName": "a", "volumes.2": {"name": "sa", "serviceAccount": {"serviceAccountName": "b"}}},
        "serviceAccountName",
        INVALID,
        "must be b, the account of volumes[2]",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_access_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    key(AGENT),
    key({"noCloud": {}}),
    key({"configDrive": {}}) | {"volumes.1": {"name": "seed", "cloudInitConfigDrive": {"userData": "a"}}},
    password({"qemuGuestAgent": {}}),
    {"serviceAccountName": "a", "volumes.2": {"name": "sa", "serviceAccount": {"serviceAccountName": "a"}}},
    {"volumes.2": {"name": "sa", "serviceAccount": {"serviceAccountName": "b"}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_access_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)
