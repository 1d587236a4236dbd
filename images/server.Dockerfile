# The API server. The build context holds one file: the program, built before.
# `images/build` passes a base made from Debian packages; the default is for
# where there is a registry.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
FROM ${BASE}
COPY --chown=0:0 --chmod=0755 reconciliation-server /usr/bin/reconciliation-server
USER 65532:65532
ENTRYPOINT ["/usr/bin/reconciliation-server"]
