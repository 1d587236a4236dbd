# PostgreSQL 15 for the demo, the tests and an embedded (Development) database.
# `images/build` passes a base made from Debian packages; the default is for
# where there is a registry, and has the same paths and the same user.
ARG BASE=docker.io/library/postgres:15-bookworm
FROM ${BASE}
COPY --chown=0:0 --chmod=0755 postgres-entrypoint /usr/local/bin/postgres-entrypoint
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PGDATA=/var/lib/postgresql/data
USER 999:999
EXPOSE 5432
# To PostgreSQL, SIGTERM means to wait until every client has gone, and SIGINT to
# end their sessions and stop.
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint"]
CMD ["postgres"]
