"""Reasons of a SovereignModel that is placed: `WorkloadReady`, `RolledOut`."""

from __future__ import annotations

from .conditions import ROLLED_OUT, UPGRADED, WORKLOAD_READY
from .types import Reason

REPLICAS_READY = Reason("ReplicasReady", (WORKLOAD_READY,), "Every replica is ready.")
SCALED_TO_ZERO = Reason("ScaledToZero", (WORKLOAD_READY,), "spec.replicas is 0.")
REPLICAS_PENDING = Reason(
    "ReplicasPending",
    (WORKLOAD_READY,),
    "Some replicas aren't ready yet and report no cause, or a pod waits for the devices of a terminating one.",
    "Wait. If it persists: kubectl describe pod POD.",
    transient=True,
)
CHANGED_BY_OTHERS = Reason(
    "ChangedByOthers",
    (WORKLOAD_READY,),
    "Another writer or a mutating webhook changes an object that the operator made for the model. It was brought back twice within "
    "ten minutes, or can't be brought back. The message names the object, the writer and the field.",
    "Stop the writer that the message names, or exclude objects with the label daulat.dev/model from its webhook.",
)
INSUFFICIENT_DOMAIN_CAPACITY = Reason(
    "InsufficientDomainCapacity",
    (WORKLOAD_READY,),
    "A replica that spans several nodes waits until one interconnect domain has enough free devices for all of its pods. It holds "
    "no devices until then.",
    "Free whole nodes of one interconnect domain. A replica is never started in part.",
    awaits_devices=True,
)
QUOTA_EXCEEDED = Reason(
    "QuotaExceeded",
    (WORKLOAD_READY,),
    "A ResourceQuota of the namespace doesn't admit pods or another part of the workload. The message is the API server's answer.",
    "Raise the ResourceQuota named in the message, or remove objects that count against it.",
)
SCHEDULING_GATED = Reason(
    "SchedulingGated",
    (WORKLOAD_READY,),
    "A pod has scheduling gates, for example of a queue. The message names them.",
    "The controller that set the scheduling gates removes them, such as Kueue once the quota is there.",
)
UNSCHEDULABLE = Reason(
    "Unschedulable",
    (WORKLOAD_READY,),
    "The scheduler found no node for a pod. The message is the scheduler's.",
    "Correct what the scheduler names. Requests for CPU and memory come from a LimitRange, if there are any.",
)
VOLUME_PENDING = Reason(
    "VolumePending",
    (WORKLOAD_READY,),
    "A pod waits for a PersistentVolumeClaim that doesn't exist or isn't bound. The message is the scheduler's.",
    "Create the PersistentVolumeClaim, or find out why it isn't bound: kubectl get pvc.",
)
NODE_NOT_READY = Reason(
    "NodeNotReady",
    (WORKLOAD_READY,),
    "The node of a pod is not ready or doesn't exist any more, so the state of the pod is unknown.",
    "Repair the node, or delete it so that its pods are replaced on other nodes.",
)
POD_EVICTED = Reason(
    "PodEvicted",
    (WORKLOAD_READY,),
    "A pod is being evicted, for example by a kubelet under disk pressure. The message is that component's.",
    "Resolve what the message names. A replacement pod is created where devices are free.",
)
POD_STARTING = Reason(
    "PodStarting",
    (WORKLOAD_READY,),
    "A pod is scheduled. Its volumes and its network aren't ready yet, or an image is being pulled, such as that of the weights.",
    "Wait. If it persists, the pod's Events name the volume or the network: kubectl describe pod POD.",
    transient=True,
)
IMAGE_PULL_FAILED = Reason(
    "ImagePullFailed",
    (WORKLOAD_READY,),
    "An image can't be pulled. The message is the kubelet's.",
    "Mirror the image, correct its digest, or name a pull secret in spec.imagePullSecrets.",
)
CONTAINER_START_FAILED = Reason(
    "ContainerStartFailed",
    (WORKLOAD_READY,),
    "A container can't be started for a cause other than its image. The message is the kubelet's.",
    "Correct what the message names, such as an image for another engine, or a missing Secret or ConfigMap.",
)
LOADING_WEIGHTS = Reason(
    "LoadingWeights",
    (WORKLOAD_READY,),
    "A pod fetches or verifies the weights. The engine starts afterwards.",
    "Wait. The engine starts when the weights are there.",
    transient=True,
)
FETCH_FAILED = Reason(
    "FetchFailed",
    (WORKLOAD_READY,),
    "The weights couldn't be fetched or read. The message is the server's answer, the volume's error, or the pod waited for.",
    "Correct spec.model.uri, its endpoint or its Secret according to the server's response, or the volume.",
)
DIGEST_MISMATCH = Reason(
    "DigestMismatch",
    (WORKLOAD_READY,),
    "The weights don't have the digest in spec.model.uri. No engine was started.",
    "Set spec.model.uri to the digest of the intended weights, or upload those weights.",
)
SIGNATURE_VALIDATION_FAILED = Reason(
    "SignatureValidationFailed",
    (WORKLOAD_READY,),
    "The weights have no valid signature by a signer that the policies trust. No engine was started.",
    "Have the weights signed by a signer that the policies trust.",
)
ENGINE_STARTING = Reason(
    "EngineStarting",
    (WORKLOAD_READY,),
    "The engine runs and isn't ready yet: it reads weights or compiles.",
    "Wait. The first start of a large model takes up to an hour.",
    transient=True,
)
ENGINE_NOT_READY = Reason(
    "EngineNotReady",
    (WORKLOAD_READY,),
    "The engine was ready, and fails its readiness probe now.",
    "Read the engine's log: kubectl logs POD --container engine.",
)
ENGINE_CRASHED = Reason(
    "EngineCrashed",
    (WORKLOAD_READY,),
    "The engine exited. The message has the exit code, whether the engine had served before, and for known errors the cause.",
    "Read the log of the previous container: kubectl logs POD --container engine --previous.",
)

UP_TO_DATE = Reason("UpToDate", (ROLLED_OUT,), "Every existing replica runs the current revision.")
ROLLING_OUT = Reason(
    "RollingOut", (ROLLED_OUT,), "Replicas are being replaced one at a time.", "Wait for the rollout.", transient=True
)
ROLLOUT_FAILED = Reason(
    "RolloutFailed",
    (ROLLED_OUT,),
    "A new replica doesn't become ready. No further replica is replaced, and those of the earlier revision keep serving.",
    "Resolve what the message names, or apply the earlier manifest again.",
)

UPGRADE_PENDING = Reason(
    "UpgradePending",
    (UPGRADED,),
    "The pods were rendered by the operator's former release and go on as they are, until the model before this one is upgraded.",
    transient=True,
)
UPGRADING = Reason(
    "Upgrading",
    (UPGRADED,),
    "The operator's release renders other pods for the model, and its replicas are being replaced. Other models wait.",
    "Wait for the rollout.",
    transient=True,
)
UPGRADES_PAUSED = Reason(
    "UpgradesPaused",
    (UPGRADED,),
    "The pods were rendered by the operator's former release and go on as they are: the chart's models.pauseUpgrades is true.",
    "Set models.pauseUpgrades to false when the models may be upgraded.",
)
UPGRADE_FAILED = Reason(
    "UpgradeFailed",
    (UPGRADED,),
    "The replicas didn't become ready in time as the operator's release renders them. The next model is upgraded.",
    "Resolve what RolledOut and WorkloadReady name.",
)
