"""The gateway to libvirt: the one place that calls it, always in threads, with every error translated.

The connection is opened again whenever it is lost. Events say only *that* something about a domain changed; whoever
cares asks what is true now.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import libvirt
import structlog

from nodeagent.domain import identity
from nodeagent.hypervisor.driver import QEMU, Driver, driver_of
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.eventloop import EventLoop
from nodeagent.hypervisor.state import Domain, state_of

T = TypeVar("T")
Handler = Callable[[str | None], None]
"""Told the name of a domain that changed, or None when anything may have changed."""

THREADS = 16
CALL_SECONDS = 30
START_SECONDS = 300
GUEST_AGENT_SECONDS = 5
KEEPALIVE_SECONDS, KEEPALIVE_MISSES = 5, 5
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 10.0
EVENT_KINDS = (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE)

log = structlog.get_logger(__name__)


class Hypervisor:
    """One libvirt daemon."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.connected = asyncio.Event()
        self.driver: Driver = QEMU
        """What is connected to; until then it is taken for QEMU's."""
        self._loop = asyncio.get_running_loop()
        self.lost = asyncio.Event()
        self._connection: Any = None
        self._registered: list[int] = []
        self._connecting = threading.Lock()
        self._ended = False
        self._handlers: list[Handler] = []
        self._failed = asyncio.Event()
        self._failure: BaseException | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="libvirt")

    @classmethod
    @asynccontextmanager
    async def open(cls, uri: str) -> AsyncGenerator["Hypervisor"]:
        """Connect to ``uri`` as soon as it answers and stay connected; no domain is touched at the end."""
        hypervisor = cls(uri)
        events = EventLoop(lambda error: hypervisor._loop.call_soon_threadsafe(hypervisor._fail, error))
        events.start()
        staying = asyncio.create_task(hypervisor._stay_connected(), name="libvirt-connection")
        staying.add_done_callback(lambda task: None if task.cancelled() else hypervisor._fail(task.exception()))
        try:
            yield hypervisor
        finally:
            staying.cancel()
            await asyncio.gather(staying, return_exceptions=True)
            await asyncio.to_thread(hypervisor._end)
            hypervisor._threads.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(events.stop)

    async def failed(self) -> None:
        """Wait until nothing keeps the connection or delivers events any more, which only a new process mends.

        Raises HypervisorError then; a daemon that is away for a while is no such failure.
        """
        await self._failed.wait()
        raise HypervisorError(f"libvirt cannot be followed any more: {self._failure}") from self._failure

    def _fail(self, error: BaseException | None) -> None:
        self._failure = error
        self._failed.set()

    def add_handler(self, handler: Handler) -> None:
        """Tell ``handler`` of changes, in the event loop."""
        self._handlers.append(handler)

    # --- facts ----------------------------------------------------------------------------------

    async def capabilities(self) -> str:
        """Return the XML of what the host can do."""
        return await self._call(lambda connection: connection.getCapabilities())

    async def version(self) -> str:
        """Return the version of the daemon, such as ``9.0.0``."""
        number = await self._call(lambda connection: connection.getLibVersion())
        return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"

    async def find(self, name: str) -> Domain | None:
        """Return the domain called ``name``, or None when libvirt knows none."""
        return await self._call(lambda connection: _optional(lambda: _facts(connection.lookupByName(name))))

    async def owned(self) -> list[Domain]:
        """Return all domains that carry an identity of ours."""

        def work(connection: Any) -> list[Domain]:
            found = (_optional(lambda each=each: _facts(each)) for each in connection.listAllDomains(0))
            return [each for each in found if each is not None and each.identity is not None]

        return await self._call(work)

    async def live_xml(self, name: str) -> str:
        """Return the XML of a running domain as it is now. Raises HypervisorError when there is none."""
        return await self._call(lambda connection: connection.lookupByName(name).XMLDesc(0))

    async def leases(self, name: str) -> Mapping[str, Any]:
        """Return the addresses that libvirt's DHCP servers gave, by interface (``virDomain.interfaceAddresses``)."""
        return await self._addresses(name, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)

    async def guest_addresses(self, name: str) -> Mapping[str, Any]:
        """Return the addresses that the guest agent sees. Raises HypervisorError when it does not answer."""
        return await self._addresses(name, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)

    async def guest_info(self, name: str) -> Mapping[str, Any]:
        """Return what the guest agent says of its system: keys such as ``os.id`` (``virDomain.guestInfo``)."""
        return await self._call(
            lambda connection: connection.lookupByName(name).guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0)
        )

    # --- changes --------------------------------------------------------------------------------

    async def start(self, xml: str, *, paused: bool = False) -> None:
        """Define and start a domain; when it does not start, no definition stays. Raises HypervisorError.

        A defined domain outlives its guest, so that why the guest ended can be asked even after a restart of ours.
        """

        def work(connection: Any) -> None:
            domain = connection.defineXML(xml)
            try:
                domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)
                if not self.driver.pretends:
                    domain.agentSetResponseTimeout(GUEST_AGENT_SECONDS, 0)
            except libvirt.libvirtError:
                self._remove(domain)
                raise

        await self._call(work, START_SECONDS)

    async def shut_down(self, name: str) -> None:
        """Ask the guest to shut down, by its agent or its power button; one that has ended is no error."""
        await self._call(lambda connection: _unless_ended(lambda: connection.lookupByName(name).shutdown()))

    async def destroy(self, name: str) -> None:
        """End the guest at once, as if its power was cut; one that has ended is no error."""
        await self._call(lambda connection: _unless_ended(lambda: connection.lookupByName(name).destroy()))

    async def remove(self, name: str) -> None:
        """End the guest if it runs, and forget the domain."""
        await self._call(lambda connection: _optional(lambda: self._remove(connection.lookupByName(name))))

    def _remove(self, domain: Any) -> None:
        _unless_ended(domain.destroy)
        _optional(lambda: domain.undefineFlags(self.driver.undefine_flags))

    async def networks(self) -> list[str]:
        """Return the XML of every network that is up."""
        flag = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
        return await self._call(lambda connection: [each.XMLDesc(0) for each in connection.listAllNetworks(flag)])

    async def network(self, name: str) -> str | None:
        """Start the network called ``name`` unless it runs; return its XML, or None when it is not defined."""

        def work(connection: Any) -> str | None:
            found = _optional(lambda: connection.networkLookupByName(name))
            if found is None:
                return None
            if not found.isActive():
                found.create()
            return found.XMLDesc(0)

        return await self._call(work)

    async def add_network(self, xml: str) -> None:
        """Define a network, start it, and have libvirt start it by itself from now on. Raises HypervisorError."""

        def work(connection: Any) -> None:
            network = connection.networkDefineXML(xml)
            try:
                network.create()
                network.setAutostart(1)
            except libvirt.libvirtError:
                network.undefine()
                raise

        await self._call(work)

    # --- the connection -------------------------------------------------------------------------

    async def _addresses(self, name: str, source: int) -> Mapping[str, Any]:
        return await self._call(lambda connection: connection.lookupByName(name).interfaceAddresses(source))

    async def _call(self, work: Callable[[Any], T], seconds: float = CALL_SECONDS) -> T:
        connection = self._connection
        if connection is None:
            raise HypervisorUnavailableError(f"libvirt does not answer at {self.uri}")
        try:
            async with asyncio.timeout(seconds):
                return await self._loop.run_in_executor(self._threads, work, connection)
        except TimeoutError as error:
            raise HypervisorUnavailableError(f"libvirt did not answer within {seconds} s") from error
        except libvirt.libvirtError as error:
            if self.lost.is_set() or self._connection is not connection:
                raise HypervisorUnavailableError(str(error)) from error
            if error.get_error_domain() == libvirt.VIR_FROM_RPC:
                raise HypervisorUnavailableError(str(error)) from error
            raise HypervisorError(str(error)) from error

    async def _stay_connected(self) -> None:
        delay = FIRST_BACKOFF_SECONDS
        while True:
            self.lost.clear()
            try:
                await self._loop.run_in_executor(self._threads, self._connect)
            except libvirt.libvirtError as error:
                log.warning("libvirt does not answer, will retry", uri=self.uri, error=str(error), seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_BACKOFF_SECONDS)
                continue
            delay = FIRST_BACKOFF_SECONDS
            log.info("connected to libvirt", uri=self.uri)
            self.connected.set()
            self._tell(None)
            await self.lost.wait()
            self.connected.clear()
            log.warning("lost the connection to libvirt", uri=self.uri)

    def _connect(self) -> None:
        with self._connecting:
            self._close()
            if self._ended:
                return
            connection = libvirt.open(self.uri)
            connection.registerCloseCallback(self._closed, None)
            self.driver = driver_of(connection)
            if not self.driver.pretends:
                connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
            self._registered = [
                connection.domainEventRegisterAny(None, kind, self._lifecycle, None) for kind in EVENT_KINDS
            ]
            self._connection = connection

    def _end(self) -> None:
        """Close for good: also a connection that a thread, whose task was cancelled, is just about to open."""
        with self._connecting:
            self._ended = True
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # Whoever is registered with a connection keeps it open, whatever close() says.
        deregister = [partial(connection.domainEventDeregisterAny, each) for each in self._registered]
        for step in (*deregister, connection.unregisterCloseCallback, connection.close):
            try:
                step()
            except libvirt.libvirtError as error:
                # A connection that was lost complains when it is closed; there is nothing left to save.
                log.debug("closing a libvirt connection", error=str(error))

    def _closed(self, _connection: Any, _reason: int, _opaque: Any) -> None:
        self._loop.call_soon_threadsafe(self.lost.set)

    def _lifecycle(self, _connection: Any, domain: Any, *_details: Any) -> None:
        self._loop.call_soon_threadsafe(self._tell, domain.name())

    def _tell(self, name: str | None) -> None:
        for handler in self._handlers:
            handler(name)


def _facts(domain: Any) -> Domain:
    code, reason = domain.state()
    try:
        metadata = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, identity.URI)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            raise
        metadata = ""
    return Domain(domain.name(), identity.read_identity(metadata), *state_of(code, reason))


def _optional(work: Callable[[], T]) -> T | None:
    """Return None where libvirt says that there is no such domain or network."""
    try:
        return work()
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_NETWORK):
            return None
        raise


def _unless_ended(work: Callable[[], object]) -> None:
    try:
        _optional(work)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
