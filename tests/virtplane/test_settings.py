"""Where settings come from, and what is said of bad ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from virtplane.cli import main
from virtplane.settings import Settings, SettingsError, own_name


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("port: 1\naddress: 10.0.0.1\nnode_name: filed\n")
    environment = {"VIRTPLANE_HOME": str(tmp_path), "VIRTPLANE_PORT": "2", "VIRTPLANE_ADDRESS": "10.0.0.2"}
    loaded = Settings.load({"port": "3", "address": None}, environment)
    assert (loaded.port, loaded.address, loaded.node_name) == (3, "10.0.0.2", "filed")
    assert loaded.database == f"sqlite:///{tmp_path}/virtplane.db"


def test_a_password_is_never_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://me:hunter2@db/virtplane"
    assert main(["config", "--home", str(tmp_path), "--database-url", url]) == 0
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert "postgresql://me:***@db/virtplane" in printed


def test_a_password_in_the_query_of_the_url_is_not_printed_either(tmp_path: Path) -> None:
    url = "postgresql://me@/virtplane?host=/run/pg&password=hunter2&sslpassword=hunter2"
    shown = Settings.load({"home": str(tmp_path), "database_url": url}, {}).shown()["database_url"]
    assert "hunter2" not in shown
    assert "host=" in shown


def test_a_setting_left_empty_in_the_file_keeps_its_default(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("address:\ndatabase_url:\nport:\n")
    assert Settings.load({"home": str(tmp_path)}, {}) == Settings(home=str(tmp_path))


def test_the_file_cannot_move_the_directory_it_is_found_in(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("home: /elsewhere\n")
    with pytest.raises(SettingsError, match="use --home or VIRTPLANE_HOME"):
        Settings.load({"home": str(tmp_path)}, {})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "x"}, "whole number"),
        ({"port": "70000"}, "65535"),
        ({"port": "0"}, "between 1 and 65535"),
        ({"agent_port": "-1"}, "between 0 and 65535"),
        ({"agent_address": "::"}, "at which others reach this host"),
        ({"agent_address": "host.example.org"}, "must be an IP address"),
        ({"database_url": "hunter2"}, "must look like"),
        ({"database_url": "postgresql://me:hunter2@db:port/x"}, "must look like"),
        ({"database_url": "postgresql://me:hunter2@one:1,two:port/x"}, "must look like"),
        ({"database_url": "mysql://me:hunter2@db/x"}, "must begin with sqlite: or postgresql:"),
        ({"shutdown_delay": "soon"}, "must be a number of seconds"),
        ({"shutdown_delay": "61"}, "between 0 and 60 seconds"),
        ({"kubeconfig": "somewhere"}, "must be in-cluster or an absolute path"),
        ({"home": "~nobody-has-this-name/x"}, "use an absolute path"),
        ({"address": ""}, "must be an IP address or a host name"),
        ({"address": "a b"}, "must be an IP address or a host name"),
        ({"node_name": "My Host"}, "node_name must have"),
        ({"node_name": "n" * 53}, "at most 52"),
    ],
)
def test_a_bad_setting_is_named_and_never_repeats_a_secret(tmp_path: Path, flags: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        Settings.load({"home": str(tmp_path), **flags}, {})
    assert "hunter2" not in str(refused.value)


def test_an_empty_home_is_the_default_one_and_not_the_working_directory() -> None:
    assert Settings.load({}, {"VIRTPLANE_HOME": ""}).directory == Path("~/.virtplane").expanduser()


@pytest.mark.parametrize(
    ("host", "node"),
    [("One", "one"), ("my_host", "my-host"), ("n" * 60, "n" * 52), ("(none)", "none"), ("_", "localhost")],
)
def test_any_host_name_makes_a_name_that_a_node_can_have(monkeypatch: pytest.MonkeyPatch, host: str, node: str) -> None:
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(nodename=host))
    assert own_name() == node
    assert Settings.load({"node_name": node}, {}).node_name == node


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(SettingsError, match="is not valid YAML"):
        Settings.load({"home": str(tmp_path)}, {})


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("prot: 1\n")
    with pytest.raises(SettingsError, match="'prot' is no setting"):
        Settings.load({"home": str(tmp_path)}, {})


def test_an_unreachable_database_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["migrate", "--home", str(tmp_path), "--database-url", f"postgresql://me@/x?host={tmp_path}"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"emulation": "maybe"}, "one of auto, on, off"),
        ({"network": "bridge"}, "one of auto, nat, user"),
        ({"host_disk_directories": "/a,b"}, "'b' is not"),
        ({"log_level": "loud"}, "one of debug"),
    ],
)
def test_a_value_out_of_its_choices_is_refused_with_them(tmp_path: Path, flags: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.load({"home": str(tmp_path), **flags}, {})


def test_a_list_is_the_same_from_a_flag_and_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("host_disk_directories: [/a, /b]\nemulation: on\n")
    filed = Settings.load({"home": str(tmp_path)}, {})
    given = Settings.load({"home": str(tmp_path), "host_disk_directories": "/a, /b"}, {})
    assert filed.host_disk_directories == given.host_disk_directories == ("/a", "/b")
    assert filed.emulation == "on"
    assert filed.shown()["host_disk_directories"] == ["/a", "/b"]


def test_a_child_with_our_environment_has_our_settings(tmp_path: Path) -> None:
    loaded = Settings.load({"home": str(tmp_path), "port": "9", "image_directories": "/a,/b"}, {})
    (tmp_path / "config.yaml").write_text("port: 10\nnode_name: other\n")
    assert Settings.load({}, loaded.environment()) == loaded


def test_up_is_not_for_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--home", str(tmp_path), "--kubeconfig", "in-cluster"]) == 1
    assert "in a cluster run `virtplane server`" in capsys.readouterr().err
