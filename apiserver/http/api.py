"""What the handlers share: the resources served, the store behind them, and who may do what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apiserver.auth.accounttokens import AccountTokens
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Authorization
from apiserver.auth.reviews import Reviews
from apiserver.auth.revocation import Revocations
from apiserver.machinery import errors
from apiserver.machinery.action import Action
from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry.workers import Workers
from apiserver.storage.contract import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The served API."""

    resources: Mapping[tuple[str, str], Resource]
    """By group and plural."""
    actions: Mapping[tuple[str, str], Action] = field(default_factory=dict[tuple[str, str], Action])
    """By group and what roles call them."""
    store: Store
    catalogue: Catalogue
    authenticator: Authenticator
    authorization: Authorization
    revocations: Revocations | None = None
    """Which nodes are shut out; none where agents have no certificates of ours."""
    issuer: AccountTokens | None = None
    """Who makes tokens of ServiceAccounts; nobody where a cluster beside this server does."""
    reviews: Reviews | None = None
    """What answers reviews; nothing where a cluster beside this server does."""
    workers: Workers = field(default_factory=Workers)

    def action(self, info: RequestInfo) -> Action | None:
        """Return the action a request names, in a version that is served, or None."""
        action = self.actions.get((info.group, info.whole_resource))
        if info.below or action is None or info.version not in action.versions or not info.namespace:
            return None
        return action if bool(info.name) == bool(action.subresource) else None

    def resource(self, info: RequestInfo) -> Resource:
        """Return the resource a request names, in a version that is served. Raises 404."""
        resource = self.resources.get((info.group, info.resource))
        if resource is None or all(version.name != info.version for version in resource.versions):
            raise errors.no_such_path()
        if info.below or (info.namespace and not resource.namespaced):
            raise errors.no_such_path()
        if info.subresource and info.subresource not in resource.subresources:
            raise errors.no_such_path()
        if info.name and (resource.transient or (resource.namespaced and not info.namespace)):
            raise errors.no_such_path()
        return resource
