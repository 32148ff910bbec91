//go:build !(v1_30 || v1_31)

package main

import (
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

type evaluator = plugincel.ConditionEvaluator

func compileAll(
	compiler *plugincel.CompositedCompiler, expressions []plugincel.ExpressionAccessor,
	with plugincel.OptionalVariableDeclarations, mode environment.Type,
) evaluator {
	return compiler.CompileCondition(expressions, with, mode)
}
