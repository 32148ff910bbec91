"""The process that writes the log. It mirrors the cluster with read-only rights, and the operator never waits for it."""
