{{/*
Names are fixed, not made from the release's: the kinds and the guards exist once in a cluster, so the operator does too,
and Helm then refuses a second release by name.
*/}}

{{- define "daulat.selectorLabels" -}}
app.kubernetes.io/name: daulat
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "daulat.labels" -}}
{{ include "daulat.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: daulat
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "daulat.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/*
A generated file's object with the release's labels added: (list $ text)
*/}}
{{- define "daulat.labelled" -}}
{{- $context := index . 0 -}}
{{- $object := fromYaml (index . 1) -}}
{{- if hasKey $object "Error" }}{{ fail (printf "a generated file can't be read: %s" $object.Error) }}{{ end -}}
{{- $labels := include "daulat.labels" $context | fromYaml -}}
{{- $_ := set $object.metadata "labels" (merge $labels ($object.metadata.labels | default dict)) -}}
{{- toYaml $object -}}
{{- end }}

{{/*
Whether the operator pins pods by an annotation of their namespace. Before Kubernetes 1.36 mutating admission policies are off by
default, and those that switch them on may switch them off again.
*/}}
{{- define "daulat.annotatesNamespaces" -}}
{{- if eq .Values.pin "Auto" -}}
{{- semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version -}}
{{- else -}}
{{- has .Values.pin (list "OpenShift" "PodNodeSelector") -}}
{{- end -}}
{{- end }}
