// The descheduler, for tests. Its replacement is that of its own go.mod.
module daulat.dev/dev/neighbours/descheduler

go 1.26.0

replace k8s.io/kube-openapi => k8s.io/kube-openapi v0.0.0-20260512234627-ef417d054102

require sigs.k8s.io/descheduler v0.36.0
