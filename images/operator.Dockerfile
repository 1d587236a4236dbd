# The operator. The build context holds one file: the program, built before.
# `images/build` passes a base made from Debian packages; the default is for
# where there is a registry.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
FROM ${BASE}
COPY --chown=0:0 --chmod=0755 reconciliation-operator /usr/bin/reconciliation-operator
USER 65532:65532
ENTRYPOINT ["/usr/bin/reconciliation-operator"]
