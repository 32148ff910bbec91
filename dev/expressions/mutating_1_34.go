//go:build !(v1_30 || v1_31 || v1_32 || v1_33)

package main

import (
	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Served as v1beta1 by 1.34 and 1.35 where that is switched on, as v1 by later ones. The expressions are the same.
const mutates = true

type named struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

// What patch.JSONPatchCondition is; older libraries don't have that package, and go.mod would have to name one that has.
type jsonPatch string

func (p jsonPatch) GetExpression() string { return string(p) }

func (p jsonPatch) ReturnTypes() []*celgo.Type {
	return []*celgo.Type{celgo.ListType(types.NewObjectType("JSONPatch"))}
}

type mutatingPolicy struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Variables       []named `json:"variables"`
		MatchConditions []named `json:"matchConditions"`
		Mutations       []struct {
			JSONPatch struct {
				Expression string `json:"expression"`
			} `json:"jsonPatch"`
		} `json:"mutations"`
	} `json:"spec"`
}

func compileMutating(policy *mutatingPolicy) []problem {
	c := newCompilation(policy.Metadata.Name)
	for _, v := range policy.Spec.Variables {
		c.variable(v.Name, v.Expression)
	}
	for _, m := range policy.Spec.MatchConditions {
		c.condition(m.Name, m.Expression)
	}
	with := declarations(true)
	with.HasPatchTypes = true
	for _, m := range policy.Spec.Mutations {
		c.expression("mutations.jsonPatch", jsonPatch(m.JSONPatch.Expression), with)
	}
	return c.problems
}
