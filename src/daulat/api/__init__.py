"""The kinds of ``daulat.dev/v1alpha1`` as pydantic models: the one source of the CRDs in ``crds/``."""
