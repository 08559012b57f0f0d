"""Commands that do their work through the API, as the administrator."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from client.api import Client
from client.errors import ApiError, KubeconfigError
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings


class AdministratorError(VirtplaneError):
    """The server cannot be asked, or refuses; the message says what to do."""


@asynccontextmanager
async def administrator(settings: Settings) -> AsyncGenerator[Client]:
    """Open a client with the administrator's kubeconfig, or that of the cluster that this is a part of.

    Raises AdministratorError, also for requests in the context that the server refuses or does not answer.
    """
    kubeconfig = settings.cluster if settings.in_kubernetes else Home.of(settings).kubeconfig
    try:
        async with Client.from_kubeconfig(kubeconfig, "virtplane") as client:
            yield client
    except KubeconfigError as unusable:
        advice = "" if settings.in_kubernetes else ". Start the server first: `virtplane up`"
        raise AdministratorError(f"{unusable}{advice}") from unusable
    except ApiError as error:
        told = "the server does not answer" if error.unreachable else "the server refuses"
        raise AdministratorError(f"{told}: {error.message}") from error
