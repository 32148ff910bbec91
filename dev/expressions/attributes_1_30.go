//go:build v1_30 || v1_31 || v1_32 || v1_33 || v1_34 || v1_35 || v1_36

package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
)

func versioned(
	attributes admission.Attributes, object, old runtime.Object, kind schema.GroupVersionKind,
) *admission.VersionedAttributes {
	return &admission.VersionedAttributes{
		Attributes: attributes, VersionedObject: object, VersionedOldObject: old, VersionedKind: kind,
	}
}
