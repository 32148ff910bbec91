package main

import (
	"context"
	"encoding/json"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
)

type request struct {
	Policy    string              `json:"policy"`
	Object    json.RawMessage     `json:"object"`
	OldObject json.RawMessage     `json:"oldObject"`
	Options   json.RawMessage     `json:"options"`
	Namespace *corev1.Namespace   `json:"namespaceObject"`
	Operation admission.Operation `json:"operation"`
	Group     string              `json:"group"`
	Version   string              `json:"version"`
	Resource  string              `json:"resource"`
	In        string              `json:"namespace"`
	Name      string              `json:"name"`
	DryRun    bool                `json:"dryRun"`
	User      string              `json:"user"`
	UserUID   string              `json:"userUID"`
	Groups    []string            `json:"groups"`
	Extra     map[string][]string `json:"extra"`
	// What the user is authorized for: GROUP/RESOURCE[/SUBRESOURCE]/VERB.
	Allowed []string `json:"allowed"`
}

type verdict struct {
	Allowed bool   `json:"allowed"`
	Message string `json:"message"`
	// The policy could not be evaluated, or cost more than the API server grants.
	Failed bool `json:"failed"`
	// What the validations, with the variables that they read, and the messages took, in units of cost.
	Cost int64 `json:"cost"`
}

// A judge is a policy as the API server holds it: its expressions are compiled as stored ones.
type judge struct {
	validator validating.Validator
	spent     int64
}

func newJudge(policy *admissionregistration.ValidatingAdmissionPolicy) (*judge, error) {
	made := &judge{}
	compiler, stored := newCompiler(), environment.StoredExpressions
	for _, v := range policy.Spec.Variables {
		variable := &validating.Variable{Name: v.Name, Expression: v.Expression}
		if result := compiler.CompileAndStoreVariable(variable, declarations(true), stored); result.Error != nil {
			return nil, result.Error
		}
	}
	conditions, validations, messages := []plugincel.ExpressionAccessor{}, []plugincel.ExpressionAccessor{}, []plugincel.ExpressionAccessor{}
	for _, m := range policy.Spec.MatchConditions {
		m := matchconditions.MatchCondition(m)
		conditions = append(conditions, &m)
	}
	for _, v := range policy.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		if v.MessageExpression == "" {
			messages = append(messages, nil)
		} else {
			messages = append(messages, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression})
		}
	}
	fails := policy.Spec.FailurePolicy
	var matcher matchconditions.Matcher
	if len(conditions) > 0 {
		filter := compileAll(compiler, conditions, declarations(true), stored)
		matcher = matchconditions.NewMatcher(filter, fails, "policy", "validate", policy.Name)
	}
	made.validator = newValidator(
		&metered{compileAll(compiler, validations, declarations(true), stored), &made.spent},
		matcher,
		compileAll(compiler, nil, declarations(true), stored),
		&metered{compileAll(compiler, messages, declarations(false), stored), &made.spent},
		fails,
	)
	return made, nil
}

// metered adds what its evaluator takes of the budget to a sum.
type metered struct {
	evaluator
	spent *int64
}

func (m *metered) ForInput(
	ctx context.Context, attributes *admission.VersionedAttributes, asked *admissionv1.AdmissionRequest,
	with plugincel.OptionalVariableBindings, namespace *corev1.Namespace, budget int64,
) ([]plugincel.EvaluationResult, int64, error) {
	results, left, err := m.evaluator.ForInput(ctx, attributes, asked, with, namespace, budget)
	if err == nil {
		*m.spent += budget - left
	}
	return results, left, err
}

func (j *judge) verdict(asked request) (verdict, error) {
	object, err := decoded(asked.Object)
	if err != nil {
		return verdict{}, err
	}
	old, err := decoded(asked.OldObject)
	if err != nil {
		return verdict{}, err
	}
	options, err := decoded(asked.Options)
	if err != nil {
		return verdict{}, err
	}
	kind := schema.GroupVersionKind{}
	for _, one := range []runtime.Object{old, object} {
		if one != nil {
			kind = one.GetObjectKind().GroupVersionKind()
		}
	}
	plural, subresource, _ := strings.Cut(asked.Resource, "/")
	resource := schema.GroupVersionResource{Group: asked.Group, Version: asked.Version, Resource: plural}
	who := &user.DefaultInfo{Name: asked.User, UID: asked.UserUID, Groups: asked.Groups, Extra: asked.Extra}
	attributes := versioned(admission.NewAttributesRecord(
		object, old, kind, asked.In, asked.Name, resource, subresource, asked.Operation, options, asked.DryRun, who,
	), object, old, kind)
	j.spent = 0
	result := j.validator.Validate(
		context.Background(), resource, attributes, nil, asked.Namespace, celconfig.RuntimeCELCostBudget, rights(asked.Allowed),
	)
	found := verdict{Allowed: true, Cost: j.spent}
	for _, decision := range result.Decisions {
		if decision.Action == validating.ActionDeny {
			found.Allowed, found.Message, found.Failed = false, decision.Message, decision.Evaluation == validating.EvalError
			break
		}
	}
	return found, nil
}

// decoded returns an object as API servers hold those of custom kinds; nil where there is none.
func decoded(raw json.RawMessage) (runtime.Object, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(raw)
}

// rights are the permissions of the user who is asking.
type rights []string

func (r rights) Authorize(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	wanted := asked.GetAPIGroup() + "/" + asked.GetResource() + "/" + asked.GetVerb()
	if asked.GetSubresource() != "" {
		wanted = asked.GetAPIGroup() + "/" + asked.GetResource() + "/" + asked.GetSubresource() + "/" + asked.GetVerb()
	}
	for _, one := range r {
		if one == wanted {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}
