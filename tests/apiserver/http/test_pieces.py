"""Long lists: sent in pieces, and the same to read."""

import pytest
import yaml

from apiserver.http import pieces, shapes
from tests.apiserver.http.gadgets import GADGETS, Client, gadget


class Written:
    """Keeps each piece that is written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, chunk: bytes) -> None:
        self.pieces.append(chunk)


async def test_pieces_are_of_about_one_size_and_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
    answer, writer = pieces.Pieces([b"0123456789"] * 95), Written()
    await answer.write(writer)  # pyright: ignore[reportArgumentType] - all that is asked of it
    assert b"".join(writer.pieces) == answer.whole() == b",".join([b"0123456789"] * 95)
    assert answer.size == len(answer.whole())
    assert all(60 < len(piece) < 150 for piece in writer.pieces[:-1])


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("application/json", "identity"), ("application/json", "gzip"), ("application/yaml", "identity")],
)
async def test_a_long_list_reads_like_any_other(
    client: Client, monkeypatch: pytest.MonkeyPatch, accept: str, encoding: str
) -> None:
    for n in range(12):
        await client.call("POST", GADGETS, gadget(f"g{n:02}"))
    _, expected = await client.call("GET", GADGETS)
    monkeypatch.setattr(pieces, "LONG_BYTES", 100)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1000)
    monkeypatch.setattr(shapes, "TURN_RECORDS", 5)
    monkeypatch.setattr(shapes, "TURN_SECONDS", 0)
    asked = {"Accept": accept, "Accept-Encoding": encoding}
    async with client.session.get(client.base + GADGETS, headers=asked) as answer:
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert yaml.safe_load(await answer.text()) == expected
    async with client.session.head(client.base + GADGETS, headers=asked) as answer:
        assert await answer.read() == b""
