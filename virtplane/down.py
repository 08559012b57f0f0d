"""``virtplane down``: stop what ``virtplane up`` started, and no guest."""

import asyncio

from virtplane.home import Home
from virtplane.observe import observing
from virtplane.settings import Settings
from virtplane.state import AlreadyRunningError, State, end_leftovers, locked, running

STOP_SECONDS = 90
"""More than all processes together may take."""
LEFTOVER_SECONDS = 15


def down(settings: Settings) -> int:
    """Stop everything, say what goes on, and return 0. Raises OSError."""
    home = Home.of(settings)
    state = running(home)
    if state is None:
        print(f"Virtplane does not run in {home.directory}")
    else:
        guests = asyncio.run(_guests(home, state))
        state.supervisor.end(STOP_SECONDS)
        print(f"Virtplane in {home.directory} is stopped. {_words(guests)}")
    if home.state.exists():
        # What ran it was killed, or had to be.
        try:
            with locked(home):
                end_leftovers(home, LEFTOVER_SECONDS)
        except AlreadyRunningError:
            print("Another `virtplane up` has begun meanwhile.")
    return 0


async def _guests(home: Home, state: State) -> int | None:
    try:
        async with observing(home, state.server) as observer:
            return await observer.guests(state.node)
    except OSError:  # without usable certificates nothing can be asked
        return None


def _words(guests: int | None) -> str:
    match guests:
        case None:
            return "Guests, if any run, go on; the next `virtplane up` finds them."
        case 0:
            return "No guest was running."
        case 1:
            return "1 guest goes on running; the next `virtplane up` finds it."
        case _:
            return f"{guests} guests go on running; the next `virtplane up` finds them."
