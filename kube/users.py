"""Users and groups that have names of their own: Kubernetes', and those of the parts of an installation.

Source: ``k8s.io/apiserver/pkg/authentication/user/user.go`` and ``serviceaccount/util.go``.
"""

from kube.installation import NAMESPACE

MASTERS_GROUP = "system:masters"
"""Whoever is in it may do everything."""
AUTHENTICATED = "system:authenticated"
"""The group of everybody who is known."""
UNAUTHENTICATED = "system:unauthenticated"
SERVER = "system:apiserver"
"""The API server itself."""
CONTROLLERS, CONTROLLERS_GROUP = "system:virtplane-controllers", "system:virtplane:controllers"
NODES_GROUP = "system:nodes"
"""The group of all agents that have certificates."""
NODE_PREFIX = "system:node:"
"""How their names begin; that of their node follows."""
ACCOUNT_PREFIX = "system:serviceaccount:"
"""How the names of ServiceAccounts begin as users; namespace and name follow, parted by a colon."""
ACCOUNTS_GROUP = "system:serviceaccounts"
CONTROLLERS_ACCOUNT = f"{ACCOUNT_PREFIX}{NAMESPACE}:virtplane-controllers"
"""The controllers where they run as pods."""
AGENT_ACCOUNT = f"{ACCOUNT_PREFIX}{NAMESPACE}:virtplane-agent"
"""Who all agents are in a cluster, where they have no certificates: pods, each with a token that names its node."""
