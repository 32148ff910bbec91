"""The Kubernetes API: a client with typed errors, and where each kind lives."""
