"""The Kubernetes versions that the embedded control plane can be: what each is built from, and what differs between them."""
