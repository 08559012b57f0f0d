"""DataSource: a name for the content that volumes start with."""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.datavolume import GROUP, VERSIONS
from apiserver.resources.versions import versions

KIND = "DataSource"


class DataSourceStrategy(Strategy):
    """The content is in one place, or still in none.

    Source: the containerized data importer's controller for DataSources, which refuses more than one source.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when there are several sources, or one without a name."""
        source = new["spec"]["source"]
        if len(source) > 1:
            yield FieldError.forbidden("spec.source", f"only one of {', '.join(sorted(source))} can be the source")
        for name, each in source.items():
            for field in ("namespace", "name"):
                if not each[field]:
                    yield FieldError.required(f"spec.source.{name}.{field}")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="datasources",
        singular="datasource",
        short_names=("das",),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS),
        strategy=DataSourceStrategy(),
        has_generation=True,
        custom=True,
        unattended=True,
    )
