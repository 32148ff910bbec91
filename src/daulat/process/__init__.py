"""What Daulat's long-running processes share: the Lease by which one replica writes, probes and metrics, the end by a signal."""
