"""``daulat crds``: brings the CustomResourceDefinitions of a cluster to this release, and never back."""
