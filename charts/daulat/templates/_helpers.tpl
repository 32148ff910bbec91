{{/*
Names are fixed, not made from the release's: the kinds and the guards exist once in a cluster, so the operator does too,
and Helm then refuses a second release by name.
*/}}

{{- define "daulat.selectorLabels" -}}
app.kubernetes.io/name: daulat
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/*
--reuse-values leaves out the defaults of values that the former release didn't have, so that a template would fail somewhere, or make
less than it should.
*/}}
{{- define "daulat.checkedValues" -}}
{{- if not (and (hasKey .Values "crds") (hasKey .Values "securityContext")) -}}
{{- fail "the values are those of a former release: use --reset-then-reuse-values in the place of --reuse-values, or -f values.yaml" -}}
{{- end -}}
{{- end }}

{{/*
Names of the objects in the release's namespace. Labels, selectors and what exists once in a cluster don't follow them.
*/}}
{{- define "daulat.fullname" -}}
{{- include "daulat.checkedValues" . -}}
{{- .Values.fullnameOverride | default .Values.nameOverride | default "daulat" -}}
{{- end }}

{{- define "daulat.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "daulat.fullname" .) -}}
{{- end }}

{{- define "daulat.replicas" -}}
{{- if kindIs "invalid" .Values.replicaCount }}{{ .Values.replicas }}{{ else }}{{ .Values.replicaCount }}{{ end -}}
{{- end }}

{{- define "daulat.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{ include "daulat.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: daulat
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
Annotations of an object, those that all have and its own: (list $ own)
*/}}
{{- define "daulat.annotations" -}}
{{- $context := index . 0 -}}
{{- with merge (deepCopy (index . 1)) $context.Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{/*
global.imageRegistry takes the place of the repository's own registry: of what stands before the first slash, where that is one.
*/}}
{{- define "daulat.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- with (.Values.global).imageRegistry -}}
{{- $parts := splitList "/" $repository -}}
{{- if regexMatch "[.:]|^localhost$" (first $parts) }}{{ $parts = rest $parts }}{{ end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) -}}
{{- end -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/*
Where pods of the release may run, and with what they pull their image: the operator's, and those of its hooks.
*/}}
{{- define "daulat.scheduling" -}}
{{- $secrets := list -}}
{{- range concat .Values.image.pullSecrets .Values.imagePullSecrets ((.Values.global).imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "daulat.podSecurityContext" -}}
{{- $own := dict -}}
{{- with .Values.runAsUser }}{{ $own = dict "runAsUser" (int64 .) "runAsGroup" (int64 .) }}{{ end -}}
{{- toYaml (merge (deepCopy .Values.podSecurityContext) $own) -}}
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
{{- with $context.Values.commonAnnotations -}}
{{- $_ := set $object.metadata "annotations" (merge ($object.metadata.annotations | default dict) .) -}}
{{- end -}}
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
{{- if .Values.models.pauseUpgrades }}
- name: DAULAT_PAUSE_UPGRADES
  value: "true"
{{- end }}
{{- if .Values.kueue.admissionCheck.enabled }}
- name: DAULAT_KUEUE_ADMISSION_CHECK
  value: "true"
{{- end }}
{{- if ne .Values.logLevel "info" }}
- name: DAULAT_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
{{- end }}
{{- if ne .Values.logFormat "json" }}
- name: DAULAT_LOG_FORMAT
  value: {{ .Values.logFormat | quote }}
{{- end }}
{{- with concat .Values.operator.env .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/*
What extraVolumeMounts and extraVolumes add, as the guard of the operator's pods allows it: beside what webhooks add.
*/}}
{{- define "daulat.mountPaths" -}}
{{- $paths := .Values.guards.injectedMounts -}}
{{- range .Values.extraVolumeMounts }}{{ $paths = append $paths .mountPath }}{{ end -}}
{{- include "daulat.quotable" (uniq $paths) -}}
{{- end }}

{{- define "daulat.volumeNames" -}}
{{- $names := .Values.guards.injectedVolumes -}}
{{- range .Values.extraVolumes }}{{ $names = append $names .name }}{{ end -}}
{{- include "daulat.quotable" (uniq $names) -}}
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

{{/*
Names of the CRDs in the cluster that aren't of this release, by the digest that each has; empty where the cluster can't be read, as
with helm template. Helm has created those of the chart that were missing before it renders this.
*/}}
{{- define "daulat.otherCRDs" -}}
{{- range $path, $bytes := .Files.Glob "crds/*.yaml" -}}
{{- $own := toString $bytes | fromYaml -}}
{{- $live := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $own.metadata.name -}}
{{- if $live -}}
{{- if ne (index $own.metadata.annotations "daulat.dev/schema") (index ($live.metadata.annotations | default dict) "daulat.dev/schema" | default "") }} {{ $own.metadata.name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The pod of a hook, as restricted as the operator's: (list $ account arguments)
*/}}
{{- define "daulat.hookPod" -}}
{{- $context := index . 0 -}}
restartPolicy: Never
serviceAccountName: {{ index . 1 }}
enableServiceLinks: false
{{- include "daulat.scheduling" $context }}
securityContext:
  {{- include "daulat.podSecurityContext" $context | nindent 2 }}
containers:
  - name: daulat
    image: {{ include "daulat.image" $context | quote }}
    imagePullPolicy: {{ $context.Values.image.pullPolicy }}
    args: {{ toJson (index . 2) }}
    env:
      - name: DAULAT_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    resources:
      {{- toYaml $context.Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml $context.Values.securityContext | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{/*
Annotations of a hook's object: (list $ hook weight)
*/}}
{{- define "daulat.hookAnnotations" -}}
{{- include "daulat.annotations" (list (index . 0) (dict "helm.sh/hook" (index . 1) "helm.sh/hook-weight" (index . 2) "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")) -}}
{{- end }}

{{/*
Egress rules to the DNS servers that dns names, beside those of networkPolicy.egress.
*/}}
{{- define "daulat.dnsEgress" -}}
{{- with .Values.dns }}
{{- if .namespace }}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}}
  ports:
    - {protocol: UDP, port: {{ .port | default 53 }}}
    - {protocol: TCP, port: {{ .port | default 53 }}}
{{- end }}
{{- with .addresses }}
- to:
    {{- range . }}
    - ipBlock: {cidr: "{{ . }}/{{ if contains ":" . }}128{{ else }}32{{ end }}"}
    {{- end }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
{{- end }}
{{- end }}

{{/*
The ServiceMonitor of a component: (list $ component name)
*/}}
{{- define "daulat.serviceMonitor" -}}
{{- $context := index . 0 }}
{{- $component := index . 1 }}
{{- with $context.Values.metrics.serviceMonitor }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ index $ 2 }}
  namespace: {{ $context.Release.Namespace }}
  {{- include "daulat.annotations" (list $context .annotations) | nindent 2 }}
  labels:
    {{- $own := include "daulat.labels" $context | fromYaml }}
    {{- $_ := set $own "app.kubernetes.io/component" $component }}
    {{- merge $own .labels | toYaml | nindent 4 }}
spec:
  endpoints:
    - port: metrics
      # Metrics of objects have a label namespace, which Prometheus would rename in favour of the pod's own.
      honorLabels: true
      interval: {{ .interval }}
      {{- with .scrapeTimeout }}
      scrapeTimeout: {{ . }}
      {{- end }}
      {{- with .relabelings }}
      relabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  selector:
    matchLabels:
      {{- include "daulat.selectorLabels" $context | nindent 6 }}
      app.kubernetes.io/component: {{ $component }}
{{- end }}
{{- end }}
