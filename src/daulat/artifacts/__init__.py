"""Which images, charts and weights a set of manifests needs, and how they are named in a registry of one's own."""
