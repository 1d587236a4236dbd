//! Every variable, for `--help` and the tests.

/// Every variable that is read, with what it means: the source of `--help`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("ENVIRONMENT", "production or development; required"),
    (
        "JWT_SECRET",
        "key of access tokens, at least 32 bytes; required; in production no known default",
    ),
    (
        "JWT_SECRET_PREVIOUS",
        "the key before this one: its tokens stay good while it is being replaced",
    ),
    (
        "DATABASE_URL",
        "postgres://user:password@host:port/database; required",
    ),
    (
        "MIGRATION_DATABASE_URL",
        "the same database as its owning role, for migrate; absent: DATABASE_URL",
    ),
    (
        "DATABASE_MAX_CONNECTIONS",
        "connections of this process, 2 to 1000 [10]",
    ),
    (
        "REDIS_URL",
        "redis://user:password@host:port/number, or rediss:// for TLS; absent: no Redis",
    ),
    (
        "CACHE_MEGABYTES",
        "memory for cached answers in this process, 0 to 4096 [16]; 0: nothing is cached",
    ),
    (
        "REQUESTS_PER_MINUTE",
        "requests of one person or API token, 1 to 1000000 [600]",
    ),
    (
        "REQUESTS_PER_MINUTE_OF_ADDRESS",
        "requests from one address, 1 to 1000000 [6000]",
    ),
    (
        "LOGINS_PER_MINUTE",
        "logins from one address, and for one account, 1 to 1000000 [10]",
    ),
    (
        "TRUSTED_PROXIES",
        "networks of proxies that say where requests come from, such as 10.0.0.0/8,fd00::/8",
    ),
    (
        "CLIENT_ADDRESS_HEADER",
        "where they say it: x-forwarded-for or forwarded [x-forwarded-for]",
    ),
    (
        "STORAGE_URL",
        "file:///directory or s3://bucket/prefix; required",
    ),
    (
        "S3_ENDPOINT",
        "URL of an S3-compatible service; absent: AWS",
    ),
    ("S3_REGION", "region of the bucket [us-east-1]"),
    (
        "S3_ACCESS_KEY_ID",
        "access key; absent: the workload's own identity (AWS_* of the pod)",
    ),
    ("S3_SECRET_ACCESS_KEY", "secret of the access key"),
    ("BIND_ADDRESS", "address of the API [0.0.0.0:8080]"),
    ("METRICS_BIND_ADDRESS", "address of /metrics [0.0.0.0:9090]"),
    (
        "MAX_CONNECTIONS",
        "connections to the API at once, 1 to 100000 [4000]; more wait",
    ),
    (
        "HEADER_TIMEOUT_SECONDS",
        "longest wait for a request's head, also on an idle connection, 1 to 300 [30]",
    ),
    (
        "REQUEST_TIMEOUT_SECONDS",
        "longest time of a request, uploads and streams aside, 1 to 300 [30]",
    ),
    (
        "SCRATCH_DIR",
        "directory for the files of running runs [/tmp/scratch]",
    ),
    (
        "WORKERS",
        "runs at once in this process, 0 to 64 [1]; 0: API only",
    ),
    (
        "RUN_LEASE_SECONDS",
        "a run whose worker is silent this long is taken over, 3 to 3600 [15]",
    ),
    (
        "MAX_ATTEMPTS",
        "attempts of a run before it fails, 1 to 100 [3]",
    ),
    (
        "MAX_QUEUED_PER_PROJECT",
        "queued runs a project may have, 1 to 1000000 [1000]",
    ),
    (
        "MAX_EVENT_STREAMS",
        "requests of this process that may watch runs at once, 0 to 100000 [500]",
    ),
    (
        "EVENT_HEARTBEAT_SECONDS",
        "pause between comments that keep a stream of events open, 1 to 300 [15]",
    ),
    (
        "EXCEPTIONS_PER_OUTCOME",
        "rows of run_exceptions that a run may have for each outcome, 1 to 100000 [5000]",
    ),
    (
        "MAX_UPLOAD_BYTES",
        "size of the largest upload [5368709120]",
    ),
    (
        "ACCESS_TOKEN_SECONDS",
        "life of an access token, 60 to 86400 [900]",
    ),
    (
        "REFRESH_TOKEN_SECONDS",
        "a session without a refresh for this long ends, 300 to 31536000 [604800]",
    ),
    (
        "SESSION_SECONDS",
        "a session ends after this long in any case, 300 to 31536000 [2592000]",
    ),
    (
        "AUDIT_HEAD_SECONDS",
        "how often the audit log's head is exported, 10 to 86400 [600]",
    ),
    (
        "OPERATOR_IDENTITY_FILE",
        "JSON {issuer, audience, subject, jwks}; absent: no operator access",
    ),
    ("WORKER_NAME", "name of this worker in a run [HOSTNAME]"),
    (
        "LOCK_TIMEOUT",
        "longest wait of migrate for a lock, such as 5s or 500ms [5s]",
    ),
    (
        "RUST_LOG",
        "log filter, such as info or server=debug [info]",
    ),
    (
        "TERMINATION_MESSAGE_PATH",
        "where check-config and migrate say why they failed [/dev/termination-log]",
    ),
];
