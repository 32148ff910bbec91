//go:build v1_30 || v1_31 || v1_32 || v1_33

package main

// No API server of these versions serves MutatingAdmissionPolicy but as an alpha.
const mutates = false

type mutatingPolicy struct{}

func compileMutating(_ *mutatingPolicy) []problem { return nil }
