// Compiles admission policies and CustomResourceDefinitions with the libraries of one kube-apiserver, as that server does when they
// are created, and evaluates policies on requests as it does when an object is. Reads a question from standard input and writes
// the answer to standard output, both JSON. One go.mod per minor version chooses the libraries; the files with build constraints
// hold what differs between them.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	admissionregistration "k8s.io/api/admissionregistration/v1"
)

type question struct {
	// Policies to compile: ValidatingAdmissionPolicies and MutatingAdmissionPolicies.
	Policies []json.RawMessage `json:"policies"`
	// CustomResourceDefinitions to validate.
	Definitions []json.RawMessage `json:"definitions"`
	Requests    []request         `json:"requests"`
}

type answer struct {
	// The version of k8s.io/apiserver.
	Version string `json:"version"`
	// The kinds of policies that this version has no compiler for; such policies are left out.
	Unknown  []string  `json:"unknown"`
	Problems []problem `json:"problems"`
	// One for each request, in the same order.
	Verdicts []verdict `json:"verdicts"`
}

// A problem is an expression, or a CustomResourceDefinition, that the API server refuses.
type problem struct {
	Object string `json:"object"`
	Field  string `json:"field"`
	Error  string `json:"error"`
}

func main() {
	content, err := io.ReadAll(os.Stdin)
	if err == nil {
		var result answer
		if result, err = reply(content); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(result)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func reply(content []byte) (answer, error) {
	var asked question
	if err := json.Unmarshal(content, &asked); err != nil {
		return answer{}, err
	}
	result := answer{Version: version(), Problems: []problem{}, Verdicts: []verdict{}}
	if !mutates {
		result.Unknown = append(result.Unknown, "MutatingAdmissionPolicy")
	}
	validating := map[string]*admissionregistration.ValidatingAdmissionPolicy{}
	for _, raw := range asked.Policies {
		var head struct{ Kind string }
		if err := json.Unmarshal(raw, &head); err != nil {
			return answer{}, err
		}
		switch head.Kind {
		case "ValidatingAdmissionPolicy":
			policy := &admissionregistration.ValidatingAdmissionPolicy{}
			if err := json.Unmarshal(raw, policy); err != nil {
				return answer{}, err
			}
			validating[policy.Name] = policy
			result.Problems = append(result.Problems, compileValidating(policy)...)
		case "MutatingAdmissionPolicy":
			if !mutates {
				continue
			}
			policy := &mutatingPolicy{}
			if err := json.Unmarshal(raw, policy); err != nil {
				return answer{}, err
			}
			result.Problems = append(result.Problems, compileMutating(policy)...)
		default:
			return answer{}, fmt.Errorf("%q is no kind of policy", head.Kind)
		}
	}
	for _, raw := range asked.Definitions {
		found, err := validateDefinition(raw)
		if err != nil {
			return answer{}, err
		}
		result.Problems = append(result.Problems, found...)
	}
	judges := map[string]*judge{}
	for _, one := range asked.Requests {
		if judges[one.Policy] == nil {
			policy := validating[one.Policy]
			if policy == nil {
				return answer{}, fmt.Errorf("a request names policy %q, which isn't among the policies", one.Policy)
			}
			made, err := newJudge(policy)
			if err != nil {
				return answer{}, err
			}
			judges[one.Policy] = made
		}
		found, err := judges[one.Policy].verdict(one)
		if err != nil {
			return answer{}, fmt.Errorf("policy %s: %w", one.Policy, err)
		}
		result.Verdicts = append(result.Verdicts, found)
	}
	return result, nil
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "k8s.io/apiserver" {
			return module.Version
		}
	}
	return ""
}
