"""Kueue: the controller of the AdmissionChecks with controllerName daulat.dev/sovereignty."""
