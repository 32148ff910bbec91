"""The names that Daulat puts on other objects. They are part of its contract: a change here breaks clusters."""

GROUP = "daulat.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "daulat"

NODE_PREFIX = "daulat.node-restriction.kubernetes.io/"
"""Labels under it can't be written by a kubelet (NodeRestriction) and are guarded against everybody else."""

ZONE_LABEL = NODE_PREFIX + "zone"
UNDECIDED_TAINT = "daulat.dev/undecided"
"""The key of the taint (NoSchedule) on a node that holds a policy's label, while it can't be decided whether it still may."""
ELIGIBLE = "eligible"

MANAGED_BY = "app.kubernetes.io/managed-by"
POLICY_LABEL = "daulat.dev/policy"
AUTHORITY_LABEL = "daulat.dev/authority"
"""On a policy, zone, profile or exemption, the authority by whose administrators alone it is changed."""
MODEL_LABEL = "daulat.dev/model"
GROUP_LABEL = "daulat.dev/group"
"""On what is made for one replica of several nodes, the number of the replica."""
ROLE_LABEL = "daulat.dev/role"
"""On the pods of such a replica: the leader answers requests, workers don't."""
DOMAIN_ANNOTATION = "daulat.dev/domain"
"""On such a replica's workload, the interconnect domain that it was made for."""
REVISION_ANNOTATION = "daulat.dev/revision"
"""On a compiled admission policy, its revision; on a model's workload and pods, the revision of the pod template."""
INPUTS_ANNOTATION = "daulat.dev/inputs"
"""On a model's workload, the digest of what the model and its policies say of its pods, from which a release renders them."""
SOURCE_ANNOTATION = "daulat.dev/source"
"""On a compiled admission policy, says who applies it: Operator or GitOps. What GitOps applied is never deleted here."""
CANARY_ANNOTATION = "daulat.dev/canary"
"""On a dry-run pod, asks an admission policy to say which revision it enforces. It never lets a pod in."""

LEASE = "daulat-operator"
"""The Lease by which one replica of the operator leads, in the operator's namespace."""
RECORDER_LEASE = "daulat-recorder"
"""The Lease by which one replica of the recorder writes, in the same namespace."""
REPORTER_LEASE = "daulat-reporter"
"""The Lease by which one replica of the reporter writes, in the same namespace."""
REPORT_NAME = "daulat"
"""The name of the report in each governed namespace, and of the one of the cluster."""
REPORTER = "daulat.dev/operator"
"""The reportingComponent of the operator's Events."""
CHECK_CONTROLLER = "daulat.dev/sovereignty"
"""The controllerName of the AdmissionChecks of Kueue that the operator decides on."""
RESERVED_POLICY_NAMES = frozenset({"zone", "site"})
MAX_POLICY_NAME = 50


def eligible_label(policy: str) -> str:
    """Return the node label that says a node is eligible under the policy."""
    return NODE_PREFIX + policy


NAMED_USER = f"{GROUP}/passwd"
"""The annotation of a pod that its /etc/passwd is read from, where an accelerator's libraries look the user up."""
WEIGHTS_PATH = "/models"
"""Where an engine finds its weights."""
