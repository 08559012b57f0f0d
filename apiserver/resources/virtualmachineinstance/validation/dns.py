"""Whom a guest asks for names: what Kubernetes asks of a Pod's DNS settings.

Source: ``pkg/apis/core/validation`` of Kubernetes.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.values import one_of
from kube.names import subdomain_problem

POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MOST_SERVERS, MOST_SEARCHES, MOST_CHARACTERS = 3, 6, 256
"""Kubernetes' limits."""


def policy(spec: Object, path: str) -> Iterator[FieldError]:
    """A policy is one of Kubernetes', and None comes with servers."""
    yield from one_of(spec, "dnsPolicy", POLICIES, path)
    if spec.get("dnsPolicy") == "None" and not spec.get("dnsConfig", {}).get("nameservers"):
        detail = "with dnsPolicy None a guest knows only these servers; name at least one"
        yield FieldError.required(f"{path}.dnsConfig.nameservers", detail)


def servers(spec: Object, path: str) -> Iterator[FieldError]:
    """Servers are addresses, and few."""
    listed, field = spec.get("dnsConfig", {}).get("nameservers", []), f"{path}.dnsConfig.nameservers"
    if len(listed) > MOST_SERVERS:
        yield _too_many(field, f"must have at most {MOST_SERVERS} servers")
    for i, server in enumerate(listed):
        try:
            ip_address(server)
        except ValueError:
            yield FieldError.invalid(f"{field}[{i}]", server, "must be an IP address, such as 192.0.2.1 or 2001:db8::1")


def searches(spec: Object, path: str) -> Iterator[FieldError]:
    """Domains to search are names, few and short."""
    listed, field = spec.get("dnsConfig", {}).get("searches", []), f"{path}.dnsConfig.searches"
    if len(listed) > MOST_SEARCHES:
        yield _too_many(field, f"must have at most {MOST_SEARCHES} domains")
    if len(" ".join(listed)) > MOST_CHARACTERS:
        detail = f"Too long: may have at most {MOST_CHARACTERS} characters together, with a space between two"
        yield FieldError("FieldValueTooLong", field, detail)
    for i, domain in enumerate(listed):
        if problem := subdomain_problem(domain.removesuffix(".")):
            yield FieldError.invalid(f"{field}[{i}]", domain, problem)


def options(spec: Object, path: str) -> Iterator[FieldError]:
    """An option of the resolver has a name."""
    for i, option in enumerate(spec.get("dnsConfig", {}).get("options", ())):
        if not option.get("name"):
            yield FieldError.required(f"{path}.dnsConfig.options[{i}].name", "name the option, such as ndots")


def _too_many(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueTooMany", field, f"Too many: {detail}")


RULES = (policy, servers, searches, options)
