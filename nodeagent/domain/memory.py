"""``<memory>``: how much the guest sees."""

from typing import Any
from xml.etree.ElementTree import Element

from kube import quantity
from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.spec import section


def memory(domain: dict[str, Any]) -> Element:
    """Return ``<memory>`` in bytes: the guest's, else what is requested, else the limit.

    Raises:
        UnsupportedError: None of them is there, or it is no positive amount.
    """
    resources = section(domain, "resources")
    said = (
        ("domain.memory.guest", section(domain, "memory").get("guest")),
        ("domain.resources.requests.memory", section(resources, "requests").get("memory")),
        ("domain.resources.limits.memory", section(resources, "limits").get("memory")),
    )
    field, amount = next((each for each in said if each[1] is not None), (said[0][0], None))
    if amount is None:
        raise UnsupportedError(field, "how much memory the guest has is not said: set it, for example to 1Gi")
    try:
        size = quantity.parse_bytes(amount)
    except quantity.QuantityError as error:
        raise UnsupportedError(field, str(error)) from error
    if size <= 0:
        raise UnsupportedError(field, f"{amount} is not a positive amount of memory")
    return element("memory", text=size, unit="b")
