module reconciliation-platform.dev/images/pause

go 1.25
