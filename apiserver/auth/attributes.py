"""What a request asks for, in the terms of authorization.

Source: ``k8s.io/apiserver/pkg/authorization/authorizer.Attributes``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """One request in the terms of authorization."""

    verb: str
    """get, list, watch, create, update, patch, delete, deletecollection; the lower-case method elsewhere."""
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    """Plural; empty when the path is not a resource's."""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    below: str = ""
    """What follows the subresource in the path, which is for the subresource to understand."""
    selected_name: str = ""
    """The one name that a list, a watch or a deletion of many is limited to by a field selector."""
    field_selector: str = ""
    """As the client wrote it; it may limit a list or a watch to what the caller may see."""

    @property
    def whole_resource(self) -> str:
        """The resource as roles name it: ``plural``, or ``plural/subresource``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def object_name(self) -> str:
        """The name of the one object that is concerned, as authorization and auditing see it; empty for many."""
        return self.name or self.selected_name

    @property
    def is_resource(self) -> bool:
        """True for paths of API objects, False for discovery, health, OpenAPI."""
        return bool(self.resource)
