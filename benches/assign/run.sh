#!/usr/bin/env bash
# Every case (or those named) by the engine, and where PYTHON has scipy also by it, with its totals
# compared. A case that scipy has not done after PEER_SECONDS (120) is left.
set -euo pipefail
cd "$(dirname "$0")"
cargo build --release --quiet
bench=${CARGO_TARGET_DIR:-target}/release/assign-bench
edges=$(mktemp)
trap 'rm -f "$edges"' EXIT
failed=0
[ $# -gt 0 ] || set -- $("$bench")
for case in "$@"; do
  ours=$("$bench" "$case" "$edges")
  echo "$ours"
  [ -n "${PYTHON:-}" ] || continue
  theirs=$(timeout "${PEER_SECONDS:-120}" "$PYTHON" peer.py "$edges") || theirs="$theirs (not done)"
  echo "  ${theirs//$'\n'/$'\n'  }"
  total=$(sed -n 's/.*Optimal: .*total //p' <<<"$ours")
  for other in $(sed -n 's/.*total //p' <<<"$theirs"); do
    [ "$other" = "$total" ] || { echo "  $case: totals differ: $total and $other"; failed=1; }
  done
done
exit $failed
