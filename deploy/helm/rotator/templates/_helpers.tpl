{{- define "rotator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "rotator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "rotator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rotator.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rotator.selector" -}}
app.kubernetes.io/name: {{ include "rotator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rotator.labels" -}}
{{ include "rotator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "rotator.serviceAccount" -}}
{{- default (include "rotator.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "rotator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The container. As a sidecar it says so with restartPolicy: Always, and holds the others back until there are tokens. */}}
{{- define "rotator.container" -}}
- name: rotator
  image: {{ include "rotator.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [run]
{{- if eq .Values.mode "sidecar" }}
  restartPolicy: Always
{{- end }}
  env:
    # Outweighs the configuration: the kubelet and Prometheus come over the pod's address.
    - { name: ROTATOR_HTTP__LISTEN, value: {{ printf "%s:%d" .Values.listenAddress (int .Values.port) | quote }} }
    - { name: ROTATOR_HTTP__PUBLIC, value: "true" }
    # A directory of its own: everybody may write to the volume's, as Kubernetes makes it.
    - { name: ROTATOR_STATE_DIR, value: /var/lib/rotator/state }
    # Where secret files that are named without a path are looked for first.
    - { name: CREDENTIALS_DIRECTORY, value: /etc/rotator/credentials }
  ports:
    - { name: rotator-http, containerPort: {{ int .Values.port }}, protocol: TCP }
  # Healthy: rotator makes progress. Neither a provider nor Vault has a part in it.
  livenessProbe:
    httpGet: { path: /-/healthy, port: rotator-http }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
{{- if eq .Values.mode "sidecar" }}
  # The workload starts once every required credential has a token. No readiness probe: it would count for the whole pod,
  # and take every replica out of service at once when a provider is away for long.
  startupProbe:
    httpGet: { path: /-/ready, port: rotator-http }
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 300
{{- else }}
  startupProbe:
    httpGet: { path: /-/healthy, port: rotator-http }
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: 60
  readinessProbe:
    httpGet: { path: /-/ready, port: rotator-http }
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
{{- end }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: { drop: [ALL] }
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    - { name: config, mountPath: /etc/rotator/config.toml, subPath: config.toml, readOnly: true }
{{- if ne .Values.vaultAuth.method "none" }}
    - { name: credentials, mountPath: /etc/rotator/credentials, readOnly: true }
{{- end }}
    - { name: state, mountPath: /var/lib/rotator }
{{- if eq .Values.mode "sidecar" }}
    - { name: tokens, mountPath: /run/rotator }
{{- end }}
{{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Everybody may write to an emptyDir, and rotator puts no token where everybody may put something else in its place. */}}
{{- define "rotator.directory" -}}
- name: directory
  image: {{ include "rotator.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/opt/rotator/bin/python, -c]
  args:
    - |
      import os
      os.makedirs("/run/rotator/tokens", exist_ok=True)
      os.chmod("/run/rotator/tokens", 0o2750)
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: { drop: [ALL] }
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    - { name: tokens, mountPath: /run/rotator }
{{- end -}}

{{- define "rotator.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "rotator.fullname" .) .Values.existingConfigMap }}
{{- if eq .Values.vaultAuth.method "approle" }}
# 0400 becomes 0440 for fsGroup: for rotator, and for nobody else.
- name: credentials
  secret:
    secretName: {{ .Values.vaultAuth.approle.secretName }}
    defaultMode: 0400
    items:
      - { key: role-id, path: role-id }
      - { key: secret-id, path: secret-id }
{{- else if eq .Values.vaultAuth.method "kubernetes" }}
# Good for Vault alone, and for minutes; the kubelet renews it in time.
- name: credentials
  projected:
    defaultMode: 0400
    sources:
      - serviceAccountToken:
          path: service-account-token
          audience: {{ .Values.vaultAuth.kubernetes.audience }}
          expirationSeconds: {{ int .Values.vaultAuth.kubernetes.expirationSeconds }}
{{- end }}
# Dates of the tokens in raw, header and env files. It may be lost with the pod, as those files are.
- name: state
  emptyDir: { sizeLimit: 16Mi }
{{- if eq .Values.mode "sidecar" }}
# In memory: no token gets onto a node's disk.
- name: tokens
  emptyDir: { medium: Memory, sizeLimit: {{ .Values.tokens.sizeLimit }} }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
