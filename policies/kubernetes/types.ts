/** Pulumi's type tokens of what the platform declares in Kubernetes. */
export const kubernetes = {
  secret: "kubernetes:core/v1:Secret",
  configMap: "kubernetes:core/v1:ConfigMap",
  namespace: "kubernetes:core/v1:Namespace",
  serviceAccount: "kubernetes:core/v1:ServiceAccount",
  deployment: "kubernetes:apps/v1:Deployment",
  statefulSet: "kubernetes:apps/v1:StatefulSet",
  daemonSet: "kubernetes:apps/v1:DaemonSet",
  networkPolicy: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  role: "kubernetes:rbac.authorization.k8s.io/v1:Role",
  clusterRole: "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
  roleBinding: "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
  clusterRoleBinding: "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
  staticSecret: "kubernetes:secrets.hashicorp.com/v1beta1:VaultStaticSecret",
  dynamicSecret: "kubernetes:secrets.hashicorp.com/v1beta1:VaultDynamicSecret",
  vaultAuth: "kubernetes:secrets.hashicorp.com/v1beta1:VaultAuth",
  vaultConnection: "kubernetes:secrets.hashicorp.com/v1beta1:VaultConnection",
} as const;
