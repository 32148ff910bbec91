//go:build v1_30 || v1_31 || v1_32 || v1_33 || v1_34

package main

import (
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/features"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

func strictCost() bool {
	return utilfeature.DefaultFeatureGate.Enabled(features.StrictCostEnforcementForVAP)
}

func newEnvironment() *environment.EnvSet {
	return environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), strictCost())
}

func declarations(authorizer bool) plugincel.OptionalVariableDeclarations {
	return plugincel.OptionalVariableDeclarations{HasAuthorizer: authorizer, StrictCost: strictCost()}
}
