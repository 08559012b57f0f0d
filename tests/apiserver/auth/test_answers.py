"""Answers of others: one question at a time, good for a while, and only so many."""

import asyncio

import pytest

from apiserver.auth.answers import SECONDS, Answers


class Oracle:
    """Counts what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def ask(self) -> str:
        self.asked += 1
        self.begun.set()
        await self.may_answer.wait()
        if self.failure:
            raise self.failure
        return f"answer {self.asked}"


@pytest.fixture
async def oracle() -> Oracle:
    return Oracle()


async def test_who_asks_the_same_at_once_gets_the_one_answer(oracle: Oracle) -> None:
    answers: Answers[str] = Answers()
    asking = [asyncio.create_task(answers.of("question", oracle.ask)) for _ in range(5)]
    await oracle.begun.wait()
    oracle.may_answer.set()
    assert await asyncio.gather(*asking) == ["answer 1"] * 5
    assert await answers.of("another", oracle.ask) == "answer 2"


async def test_an_answer_is_good_until_its_time_is_over(oracle: Oracle) -> None:
    now = 100.0
    answers: Answers[str] = Answers(now=lambda: now)
    oracle.may_answer.set()
    for later, expected in ((0.0, 1), (SECONDS - 0.1, 1), (SECONDS, 2), (2 * SECONDS - 0.1, 2)):
        now = 100.0 + later
        assert await answers.of("question", oracle.ask) == f"answer {expected}", later


async def test_what_nobody_asked_for_the_longest_is_forgotten_first(oracle: Oracle) -> None:
    answers: Answers[str] = Answers(limit=2)
    oracle.may_answer.set()
    for question, expected in (("a", 1), ("b", 2), ("a", 1), ("c", 3), ("a", 1), ("b", 4)):
        assert await answers.of(question, oracle.ask) == f"answer {expected}", question


async def test_a_failure_is_told_to_all_who_wait_and_to_nobody_later(oracle: Oracle) -> None:
    answers: Answers[str] = Answers()
    asking = [asyncio.create_task(answers.of("question", oracle.ask)) for _ in range(3)]
    await oracle.begun.wait()
    oracle.failure = OSError("away")
    oracle.may_answer.set()
    assert [str(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == ["away"] * 3
    oracle.failure = None
    assert await answers.of("question", oracle.ask) == "answer 2"


async def test_where_who_asked_goes_away_somebody_else_asks(oracle: Oracle) -> None:
    answers: Answers[str] = Answers()
    first, second = (asyncio.create_task(answers.of("question", oracle.ask)) for _ in range(2))
    await oracle.begun.wait()
    oracle.begun.clear()
    first.cancel()
    await oracle.begun.wait()
    oracle.may_answer.set()
    assert await second == "answer 2"
    assert first.cancelled()
