package main

import (
	"context"
	"encoding/json"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	definitions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
)

// What a new object may use. An API server accepts more from an object that it has stored already.
const created = environment.NewExpressions

type compilation struct {
	object   string
	compiler *plugincel.CompositedCompiler
	problems []problem
}

func newCompilation(object string) *compilation {
	return &compilation{object: object, compiler: newCompiler()}
}

func compileValidating(policy *admissionregistration.ValidatingAdmissionPolicy) []problem {
	c := newCompilation(policy.Name)
	for _, v := range policy.Spec.Variables {
		c.variable(v.Name, v.Expression)
	}
	for _, m := range policy.Spec.MatchConditions {
		c.condition(m.Name, m.Expression)
	}
	for _, v := range policy.Spec.Validations {
		c.expression("validations.expression", &validating.ValidationCondition{Expression: v.Expression}, declarations(true))
		if v.MessageExpression != "" {
			message := &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
			c.expression("validations.messageExpression", message, declarations(false))
		}
	}
	return c.problems
}

func (c *compilation) variable(name, expression string) {
	accessor := &validating.Variable{Name: name, Expression: expression}
	c.report("variables."+name, c.compiler.CompileAndStoreVariable(accessor, declarations(true), created))
}

// A match condition reads no variables.
func (c *compilation) condition(name, expression string) {
	accessor := &matchconditions.MatchCondition{Name: name, Expression: expression}
	c.report("matchConditions."+name, plugincel.NewCompiler(newEnvironment()).CompileCELExpression(accessor, declarations(true), created))
}

func (c *compilation) expression(field string, accessor plugincel.ExpressionAccessor, with plugincel.OptionalVariableDeclarations) {
	c.report(field, c.compiler.CompileCELExpression(accessor, with, created))
}

func (c *compilation) report(field string, result plugincel.CompilationResult) {
	if result.Error != nil {
		c.problems = append(c.problems, problem{c.object, field, result.Error.Error()})
	}
}

var scheme = runtime.NewScheme()

func init() { install.Install(scheme) }

// validateDefinition does what the API server does on creation: compiles the rules, and estimates what they cost at most.
func validateDefinition(raw []byte) ([]problem, error) {
	given, internal := &apiextensionsv1.CustomResourceDefinition{}, &apiextensions.CustomResourceDefinition{}
	if err := json.Unmarshal(raw, given); err != nil {
		return nil, err
	}
	scheme.Default(given)
	if err := scheme.Convert(given, internal, nil); err != nil {
		return nil, err
	}
	// The API server's strategy sets it before validation.
	for _, v := range internal.Spec.Versions {
		if v.Storage {
			internal.Status.StoredVersions = []string{v.Name}
		}
	}
	var found []problem
	for _, e := range definitions.ValidateCustomResourceDefinition(context.Background(), internal) {
		found = append(found, problem{given.Name, e.Field, e.Error()})
	}
	return found, nil
}

func newCompiler() *plugincel.CompositedCompiler {
	compiler, err := plugincel.NewCompositedCompiler(newEnvironment())
	if err != nil {
		panic(err)
	}
	return compiler
}
