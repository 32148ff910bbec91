//go:build !(v1_30 || v1_31 || v1_32 || v1_33 || v1_34 || v1_35)

package main

import (
	admissionregistration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
)

func newValidator(
	validations evaluator, matcher matchconditions.Matcher, audit, messages evaluator, fails *admissionregistration.FailurePolicyType,
) validating.Validator {
	return validating.NewValidator(validations, matcher, audit, messages, fails, nil)
}
