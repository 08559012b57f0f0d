"""RBAC: roles and who has them. They are stored and judged; they grant nothing yet."""

GROUP = "rbac.authorization.k8s.io"
GRANTS_NOTHING = "roles and role bindings are stored by this server and grant nothing yet"
