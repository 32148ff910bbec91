"""The word that an engine's start probe leaves in the pod for the operator: from then on the engine has served."""

SERVED = "daulat: the engine has served"
"""The container's termination message once the start probe has passed. A kubelet copies a log's end only where there is none."""
