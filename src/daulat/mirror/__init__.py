"""The mirror of the cluster: full lists and watches become facts and changes. It writes nothing, and knows of no leader."""
