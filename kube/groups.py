"""Which groups of the API are KubeVirt's."""


def is_kubevirt(group: str) -> bool:
    """Return True for KubeVirt's groups; the rest, the core group included, are Kubernetes' own and of others."""
    return group == "kubevirt.io" or group.endswith(".kubevirt.io")
