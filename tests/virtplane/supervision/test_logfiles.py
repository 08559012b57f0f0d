"""Logs stay short, and their ends are readable."""

from pathlib import Path

from virtplane.supervision.logfiles import last_lines, open_log, shorten, size


def test_a_long_log_begins_anew_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with open_log(path) as log:
        log.write(b"old\n")
        log.flush()
        shorten(path, limit=3)
        log.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"old\n"
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_a_short_log_and_a_missing_one_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    shorten(path)
    path.write_text("x")
    shorten(path)
    assert path.read_text() == "x"


def test_the_last_lines_are_those_of_this_run_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("of an earlier run\n")
    since = size(path)
    with open_log(path) as log:
        log.write(
            b'{"event":"cannot go on","why":"no disk","exception":"Traceback\\n  x\\nOSError: full","time":"t"}\n'
        )
        log.write(b"usage: virtplane\n")
    assert last_lines(path, since) == ["cannot go on why=no disk (OSError: full)", "usage: virtplane"]
