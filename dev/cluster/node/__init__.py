"""Real nodes beside KWOK's: a kubelet, containerd and runc for each, in namespaces of their own."""
