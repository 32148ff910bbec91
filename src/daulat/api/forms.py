"""What the regular expressions of fields mean, in words. People read the words; expressions of some length never reach them."""

from __future__ import annotations

from types import MappingProxyType

from . import authorities, exposure, licenses, meta, model, policy, reference, requirements, resources, weights

LONGEST = 48
"""Characters of an expression that the API server may show. It has no words for a pattern, so a longer one becomes a rule."""

FORMS = MappingProxyType(
    {
        weights.URI_PATTERN: "a URI of weights starts with oci://, pvc://, s3://, hf:// or ms://, followed by the location, such as"
        " oci://registry.example.my/models/NAME@sha256:DIGEST",
        weights.ADDRESS_PATTERN: "an address starts with http:// or https:// and has neither a user nor a query, such as"
        " https://s3.example.my",
        reference.IMAGE_PATTERN: "an image is REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST",
        requirements.PREFIX_PATTERN: "a prefix of images is a registry, or a path in it, and ends with a slash, such as"
        " registry.example.my/team/",
        requirements.SOURCE_PATTERN: "a prefix of weights starts with oci://, pvc://, s3://, hf:// or ms:// and ends with a slash,"
        " such as oci://registry.example.my/models/",
        authorities.KEY_PATTERN: "a public key is in PEM form, from -----BEGIN PUBLIC KEY----- on",
        requirements.CERTIFICATE_PATTERN: "a certificate is in PEM form, from -----BEGIN CERTIFICATE----- on",
        requirements.ACCOUNT_PATTERN: "a ServiceAccount is system:serviceaccount:NAMESPACE:NAME",
        requirements.SERVICE_HOST_PATTERN: "a Service's DNS name is NAME.NAMESPACE.svc.CLUSTER-DOMAIN, such as"
        " gateway.edge.svc.cluster.local",
        requirements.KIND_PATTERN: "a kind is KIND.GROUP, such as Route.route.openshift.io",
        licenses.LICENSE_PATTERN: "a licence is one SPDX id, perhaps WITH an exception, such as Apache-2.0",
        resources.NAME_PATTERN: "an extended resource is DOMAIN/NAME, such as nvidia.com/gpu",
        resources.FAMILY_PATTERN: "a family of extended resources is DOMAIN/NAME with # for a number or * for any part, such as"
        " nvidia.com/mig-#g.#gb",
        meta.DURATION: "a duration is a whole number of seconds, minutes or hours, such as 90s, 15m or 2h",
        meta.LABEL_KEY: "a label's key is a name, or DOMAIN/NAME: letters, digits, -, _ and ., such as example.com/team",
        meta.LABEL_VALUE: "a label's value has letters, digits, -, _ and ., and begins and ends with a letter or digit",
        meta.NAME: "a name has lower case letters, digits, - and ., and begins and ends with a letter or digit",
        exposure.HOST_PATTERN: "a host name is in lower case, such as models.example.my or *.example.my",
        model.FILE_PATTERN: "a file is a path under the weights in which no part begins with a dot, such as q4/model.gguf",
        policy.BATCH_PATTERN: "a batch of held evictions is a time such as 2026-11-29T01:30:00Z, as status.brake.batch names it",
    }
)
