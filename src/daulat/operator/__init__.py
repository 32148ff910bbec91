"""The process: watches the cluster, keeps the facts, runs the reconcilers, carries their effects out."""
