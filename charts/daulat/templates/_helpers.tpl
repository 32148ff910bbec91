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

{{/*
The variables of the operator's container. The guard of its pods takes no others.
*/}}
{{- define "daulat.env" -}}
- name: DAULAT_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: DAULAT_WEIGHTS_IMAGE
  value: {{ .Values.weights.image | default (include "daulat.image" .) | quote }}
{{- if ne .Values.pin "Auto" }}
- name: DAULAT_PIN
  value: {{ .Values.pin | quote }}
{{- end }}
{{- with .Values.prometheus.address }}
- name: DAULAT_PROMETHEUS
  value: {{ . | quote }}
{{- end }}
{{- with .Values.prometheus.wakeQuery }}
- name: DAULAT_WAKE_QUERY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.prometheus.podMonitorLabels }}
- name: DAULAT_POD_MONITOR_LABELS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.dns }}
- name: DAULAT_DNS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.kubernetesAPI }}
- name: DAULAT_KUBERNETES_API
  value: {{ toJson . | quote }}
{{- end }}
{{- if not .Values.models.fixedUser }}
- name: DAULAT_ANY_USER
  value: "true"
{{- end }}
{{- with .Values.operator.env }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/*
A value as JSON inside a single-quoted YAML text. Only a text in it can hold a quotation mark.
*/}}
{{- define "daulat.quotable" -}}
{{- toJson . | replace "'" "\\u0027" -}}
{{- end }}

{{/*
The same variables as the guard compares them: NAME=value, or NAME<source:where it is in the source.
*/}}
{{- define "daulat.envTexts" -}}
{{- $found := list -}}
{{- range (include "daulat.env" . | fromYamlArray) -}}
{{- $source := "" -}}
{{- $name := .name -}}
{{- range $kind, $from := .valueFrom -}}
{{- $where := or $from.fieldPath $from.resource (printf "%s/%s" ($from.name | default "") ($from.key | default "")) -}}
{{- $source = printf "<%s:%s" $kind $where -}}
{{- end -}}
{{- $found = append $found (printf "%s%s" $name ($source | default (printf "=%s" (.value | default "")))) -}}
{{- end -}}
{{- include "daulat.quotable" $found -}}
{{- end }}
